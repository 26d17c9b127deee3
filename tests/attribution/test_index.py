import hashlib
import inspect
import json
import random
import string
import textwrap

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sc2lib.attribution.index import INDEXED, Index, build_part
from sc2lib.attribution.lexing import lex, naive_lex
from sc2lib.attribution.winnowing import Guarantee
from sc2lib.errors import InputError

MODULES = (inspect, random, string, textwrap, json)


def table(texts):
    rows = [
        {
            "blob_id": hashlib.sha1(text.encode()).hexdigest(),
            "content_id": f"{index:040x}",
            "repo_name": f"project-{index}",
            "path": f"/file{index}.py",
            "language": "Python",
            "license_type": "permissive",
            "detected_licenses": ["MIT"],
            "text": text,
        }
        for index, text in enumerate(texts)
    ]
    return pa.Table.from_pylist(rows, INDEXED)


def build(folder, texts, guarantee, parts=1):
    for part in range(parts):
        rows = table(texts).take(pa.array(range(part, len(texts), parts), pa.int64()))
        build_part(folder / f"part-{part:05d}", rows, guarantee)
    return Index.open(folder)


def naive_runs(query, text, shortest):
    """Maximal common runs of tokens by comparing every pair of positions."""
    runs = set()
    for i in range(len(query)):
        for j in range(len(text)):
            if query[i] != text[j] or (i and j and query[i - 1] == text[j - 1]):
                continue
            length = 0
            while i + length < len(query) and j + length < len(text) and query[i + length] == text[j + length]:
                length += 1
            if length >= shortest:
                runs.add((i, i + length, j))
    return runs


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    texts = [inspect.getsource(module) for module in MODULES]
    return build(tmp_path_factory.mktemp("index"), texts, Guarantee(8, 24))


words = st.lists(st.sampled_from(["a", "b", "(", "x1", "é"]), max_size=40).map(" ".join)


@given(st.lists(words, min_size=1, max_size=4), words)
@settings(max_examples=60)
def test_it_finds_exactly_the_runs_that_comparing_all_pairs_finds(tmp_path_factory, texts, query):
    index = build(tmp_path_factory.mktemp("index"), texts, Guarantee(2, 4))
    data = query.encode()
    found = {(run.file, run.start, run.end, run.position) for run in index.parts[0].runs(data, lex(data))}
    expected = {
        (number, *run)
        for number, text in enumerate(texts)
        for run in naive_runs(naive_lex(data), naive_lex(text.encode()), 4)
    }
    assert found == expected


@pytest.mark.parametrize("length", [24, 25, 60])
def test_every_fragment_of_the_guaranteed_length_is_found_in_any_layout(library, length):
    generator = random.Random(length)
    for number, module in enumerate(MODULES):
        tokens = naive_lex(inspect.getsource(module).encode())
        for _ in range(10):
            start = generator.randrange(len(tokens) - length)
            fragment = b"\n ".join(tokens[start : start + length]).decode()
            (span, *_) = library.lookup(fragment)
            assert (span.start, span.end, span.tokens) == (0, len(fragment), length)
            assert f"project-{number}" in {source.repo_name for source in span.sources}


def test_a_fragment_one_token_too_short_or_broken_in_the_middle_is_not_reported(library):
    tokens = naive_lex(inspect.getsource(textwrap).encode())[300:323]
    assert len(tokens) == 23 and library.lookup(b" ".join(tokens).decode()) == []
    tokens = naive_lex(inspect.getsource(textwrap).encode())[300:340]
    tokens[20] = b"somethingelse"
    assert library.lookup(b" ".join(tokens).decode()) == []


def test_a_match_names_the_object_the_lines_and_the_licence(library):
    lines, first = inspect.getsourcelines(textwrap.indent)
    query = "# mine\n" + "".join(lines)
    (span,) = library.lookup(query)
    (source,) = span.sources
    assert source.swhid == "swh:1:cnt:" + f"{MODULES.index(textwrap):040x}"
    assert (source.repo_name, source.path) == ("project-3", "/file3.py")
    assert (source.license_type, source.licenses) == ("permissive", ("MIT",))
    assert (source.first_line, source.last_line) == (first, first + len(lines) - 1)
    assert query[span.start : span.end] == "".join(lines).rstrip("\n")


def test_code_that_is_in_two_files_names_both_whatever_the_parts(tmp_path):
    texts = [inspect.getsource(textwrap), "import os\n" + inspect.getsource(textwrap), inspect.getsource(string)]
    query = inspect.getsource(textwrap.indent)
    for parts in (1, 2, 3):
        index = build(tmp_path / str(parts), texts, Guarantee(8, 24), parts)
        (span,) = index.lookup(query)
        assert [source.repo_name for source in span.sources] == ["project-0", "project-1"]
        assert span.sources[1].first_line == span.sources[0].first_line + 1
        assert index.longest_run(query) == span.tokens


def test_a_run_inside_a_longer_one_is_left_out(tmp_path):
    long = " ".join(f"w{i}" for i in range(40))
    short = " ".join(f"w{i}" for i in range(5, 35)) + " other"
    (span,) = build(tmp_path, [long, short], Guarantee(8, 24)).lookup(long)
    assert span.tokens == 40 and [source.repo_name for source in span.sources] == ["project-0"]


def test_offsets_are_characters_and_odd_text_does_no_harm(library):
    source = inspect.getsource(textwrap.indent)
    (span,) = library.lookup("é\ud800𝒳 " + source)
    assert span.start == 4
    assert library.lookup("") == [] == library.lookup("é")
    assert library.longest_run("nothing of this kind") == 0


def test_an_index_knows_its_size(library):
    texts = [inspect.getsource(module).encode() for module in MODULES]
    assert library.parts[0].text_bytes == sum(map(len, texts))
    assert library.parts[0].token_count == sum(len(naive_lex(text)) for text in texts)
    assert library.parts[0].guarantee == Guarantee(8, 24)


def test_an_empty_part_and_a_broken_one(tmp_path):
    assert build(tmp_path / "empty", [], Guarantee(8, 24)).lookup("def f(): pass " * 20) == []
    build(tmp_path / "broken", ["x"], Guarantee(8, 24))
    (tmp_path / "broken" / "part-00000" / "hashes.npy").write_bytes(b"junk")
    with pytest.raises(InputError, match="part-00000"):
        Index.open(tmp_path / "broken")
    with pytest.raises(InputError, match="no parts"):
        Index.open(tmp_path / "nothing")


def test_the_same_files_give_the_same_bytes(tmp_path):
    texts = [inspect.getsource(module) for module in MODULES]
    for name in ("one", "two"):
        build(tmp_path / name, texts, Guarantee(8, 24))
    for path in sorted((tmp_path / "one").rglob("*.*")):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()
