"""Plain values as tagged JSON: the only thing that crosses the wall of the sandbox.

The module is self-contained, because its source text runs on both sides. JSON, not ``repr``: the trusted side must
read hostile input, and Python documents that ``ast.literal_eval`` can crash the interpreter on it. Exact for None,
bool, int, float (NaN and infinities too), complex, str, bytes, list, tuple, dict, set and frozenset. A subclass travels
as its base (a ``Counter`` as a dict), another number as the float it equals (a ``Decimal``), another iterable as an
iterator over its entries (a generator); anything else arrives as `Opaque`, equal to nothing.
"""

import json
from collections.abc import Iterable

TYPE_CHECKING = False  # typing itself would double the start of the jailed process
if TYPE_CHECKING:
    from typing import Any

SMALL = 1 << 53  # larger integers travel as hexadecimal: linear time, and no limit on decimal digits
COLLISIONS = 100  # keys of one hash: a set takes time quadratic in them, which hostile keys would use


class Opaque:
    """A value that is not plain data; only its type's name crossed the wall."""

    def __init__(self, kind: object) -> None:
        self.kind = str(kind)

    def __repr__(self) -> str:
        return f"<{self.kind} object>"


def dumps(value: object) -> bytes:
    """Bytes of `value`. Raises RecursionError for a cycle or a very deep nest."""
    return json.dumps(_tagged(value), check_circular=False).encode("ascii")


def loads(data: bytes) -> "Any":
    """The value of the bytes. Raises ValueError for anything that `dumps` does not write, or nested too deeply."""
    try:
        return _plain(json.loads(data))
    except (TypeError, KeyError, IndexError, RecursionError, MemoryError, ArithmeticError) as error:
        raise ValueError(f"not a tagged literal: {type(error).__name__}") from None


def _tagged(value: object) -> "Any":
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        value = int(value)
        return value if -SMALL < value < SMALL else {"int": hex(value)}
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    if isinstance(value, bytes | bytearray):
        return {"bytes": bytes(value).hex()}
    if isinstance(value, list):
        return [_tagged(entry) for entry in value]
    if isinstance(value, tuple):
        return {"tuple": [_tagged(entry) for entry in value]}
    if isinstance(value, set):
        return {"set": [_tagged(entry) for entry in value]}
    if isinstance(value, frozenset):
        return {"frozenset": [_tagged(entry) for entry in value]}
    if isinstance(value, dict):
        return {"dict": [[_tagged(key), _tagged(entry)] for key, entry in value.items()]}
    if isinstance(value, Iterable):
        return {"iterator": [_tagged(entry) for entry in value]}
    if hasattr(type(value), "__float__") and (number := float(value)) == value:  # type: ignore[arg-type]
        return number
    return {"opaque": type(value).__name__[:80]}


def _keys(values: Iterable["Any"]) -> "list[Any]":
    keys = list(values)
    crowds: dict[int, int] = {}
    for key in keys:
        crowds[hash(key)] = crowd = crowds.get(hash(key), 0) + 1
        if crowd > COLLISIONS:
            raise ValueError(f"more than {COLLISIONS} keys of one hash")
    return keys


def _plain(value: "Any") -> "Any":
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    ((tag, content),) = value.items()
    if tag == "int":
        return int(content, 16)
    if tag == "complex":
        real, imaginary = map(float, content)
        return complex(real, imaginary)
    if tag == "bytes":
        return bytes.fromhex(content)
    if tag == "tuple":
        return tuple(_plain(entry) for entry in content)
    if tag == "set":
        return set(_keys(_plain(entry) for entry in content))
    if tag == "frozenset":
        return frozenset(_keys(_plain(entry) for entry in content))
    if tag == "dict":
        return dict(zip(_keys(_plain(key) for key, _ in content), [_plain(entry) for _, entry in content]))
    if tag == "iterator":
        return iter([_plain(entry) for entry in content])
    if tag == "opaque":
        return Opaque(content)
    raise ValueError(f"unknown tag {tag!r}"[:100])
