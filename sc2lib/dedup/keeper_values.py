"""Anyone's columns as the KEEPER columns, which decide between near-duplicates: value by value.

A value that cannot be read counts as missing, itself and no other: who stays must not depend on which rows were read
together.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from sc2lib.dedup.clusters import LICENSE_CLASSES
from sc2lib.dedup.pieces import KEEPER

ADVICE = tuple(name for name in KEEPER.names if name != "blob_id")  # what a column of the data may be called
ZONELESS = pa.timestamp("us")


@dataclass(frozen=True)
class Reading:
    """How many values a column has, and how many of them cannot be read."""

    values: int
    unreadable: int

    def __add__(self, other: "Reading") -> "Reading":
        return Reading(self.values + other.values, self.unreadable + other.unreadable)


def keeper_table(table: pa.Table, names: pa.ChunkedArray, texts: pa.Array, rows: pa.Array | None = None) -> pa.Table:
    """KEEPER of all rows or of the given ones: their columns as far as they have them; a hash of the text decides ties.

    `names` are the ids of all rows of the table, `texts` their texts.
    """
    found = {name: as_keeper(table[name], name) for name in ADVICE if name in table.column_names}
    found["blob_id"] = names
    if rows is not None:
        found, texts = {name: column.take(rows) for name, column in found.items()}, texts.take(rows)
    path, digests = found.get("path"), _digests(texts)
    found["path"] = digests if path is None else pc.coalesce(path, digests)
    empty = {field.name: pa.nulls(len(texts), field.type) for field in KEEPER if field.name not in found}
    return pa.table(found | empty).select(KEEPER.names).cast(KEEPER)


def readings(table: pa.Table) -> dict[str, Reading]:
    """What can be read of the KEEPER columns that a table has; a licence class must be one of three words."""
    result = {}
    for name in ADVICE:
        if name in table.column_names:
            values = _plain(table[name])
            read = as_keeper(table[name], name)
            if name == "license_type":
                read = pc.index_in(read, pa.array(LICENSE_CLASSES))
            there = len(values) - values.null_count
            result[name] = Reading(there, there - (len(read) - read.null_count))
    return result


def as_keeper(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """A column as the KEEPER column of that name, null where a value cannot be read as one.

    Dates without a zone are taken as UTC, and numbers as microseconds. Costs one cast, and two for every distinct
    value that cannot be read times the logarithm of their number.
    """
    kind = KEEPER.field(name).type
    plain = _plain(column)
    if pa.types.is_nested(plain.type):
        return pa.chunked_array([pa.nulls(len(plain), kind)])
    ways: list[tuple[pa.DataType, ...]] = [(kind,)]
    if pa.types.is_timestamp(kind):
        ways += [(ZONELESS, kind), (pa.int64(), kind)]
    coded = plain.combine_chunks().dictionary_encode()
    return pa.chunked_array([_readable(coded.dictionary, ways).take(coded.indices)])


def _readable(values: pa.Array, ways: Sequence[tuple[pa.DataType, ...]]) -> pa.Array:
    """All values by the first way in which all can be read, else each half by itself; the last way ends in the type."""
    for way in ways:
        with contextlib.suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):
            result = values
            for kind in way:
                result = result.cast(kind)
            return result
    if len(values) == 1:
        return pa.nulls(1, ways[-1][-1])
    half = len(values) // 2
    return pa.concat_arrays([_readable(values[:half], ways), _readable(values[half:], ways)])


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Values without their packing: no dictionary, no white space around words; empty words and NaN are missing."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if is_text(column.type):
        column = pc.utf8_trim_whitespace(column.cast(pa.large_string()))
        return pc.if_else(pc.equal(column, ""), None, column)
    if pa.types.is_floating(column.type):
        return pc.if_else(pc.is_nan(column), None, column)
    return column


def is_text(kind: pa.DataType) -> bool:
    """Whether values of a type are words."""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _digests(texts: pa.Array) -> pa.Array:
    if len(texts) == 0:
        return pa.array([], pa.string())
    data = memoryview(texts.buffers()[2] or b"")
    offsets = np.frombuffer(texts.buffers()[1], np.int64)[texts.offset : texts.offset + len(texts) + 1].tolist()
    return pa.array([xxhash.xxh3_128_hexdigest(data[start:stop]) for start, stop in pairwise(offsets)], pa.string())
