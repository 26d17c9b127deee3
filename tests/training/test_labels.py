import numpy as np
import pyarrow as pa
import pytest

from sc2lib.errors import InputError
from sc2lib.tokenizer.encoding import Tokenizer
from sc2lib.training.labels import language_labels, source_labels
from tests.training.conftest import Corpus

FILES = {
    "a": [{"language": "Python"}, {"language": "C"}],
    "b": [{"language": "Python"}],
    "c": [],
    "d": [{"language": "C"}, {"language": "Java"}],
}
SEGMENTS = {
    "a": [("<repo_name>", "pypi/one"), ("<file_sep>", "a.py\nx = 1\n"), ("<file_sep>", "a.c\nint x;\n")],
    "b": [("<jupyter_start>", ""), ("<jupyter_code>", "print(1)\n")],
    "c": [(None, "Some documentation.\n")],
    "d": [(None, "two files without separators")],
}


def build(tokenizer: Tokenizer) -> tuple[np.ndarray, pa.Table, pa.Table]:
    parts, rows, start = [], [], 0
    for name, segments in SEGMENTS.items():
        parts.append(np.append(tokenizer.encode_segments(segments), np.uint16(0)))
        end = start + len(parts[-1])
        source = {"b": "jupyter_structured", "c": "documentation"}.get(name, "code")
        rows.append({"document_id": name, "split": "validation", "start": start, "end": end, "source": source})
        start = end
    documents = pa.table({"document_id": list(FILES), "files": list(FILES.values())})
    train = {"document_id": "z", "split": "train", "start": 0, "end": 9, "source": "code"}
    return np.concatenate(parts), pa.Table.from_pylist([train, *reversed(rows)]), documents


def test_each_token_has_the_language_of_its_file(corpus: Corpus) -> None:
    tokenizer = Tokenizer.load(corpus.tokenizer)
    tokens, index, documents = build(tokenizer)
    labels = language_labels(tokens, index, documents, tokenizer)
    texts: dict[str, str] = {}
    for label in dict.fromkeys(labels.tolist()):
        texts[label] = tokenizer.decode(tokens[labels == label])
    assert texts["C"] == "<file_sep>a.c\nint x;\n<|endoftext|>"
    assert texts["Python"].startswith("<repo_name>pypi/one<file_sep>a.py\nx = 1\n<jupyter_start>")
    assert texts["(documentation)"] == "Some documentation.\n<|endoftext|>"
    assert texts["(code)"].startswith("two files")
    sources = source_labels(index)
    assert len(sources) == len(tokens) and set(sources) == {"code", "jupyter_structured", "documentation"}


def test_an_index_of_other_tokens_is_refused(corpus: Corpus) -> None:
    tokenizer = Tokenizer.load(corpus.tokenizer)
    tokens, index, documents = build(tokenizer)
    with pytest.raises(InputError, match="does not cover"):
        language_labels(tokens[:-1], index, documents, tokenizer)
