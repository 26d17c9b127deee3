"""The mixture: the paper's tables add up, caps bind where they must, sampling keeps its rate."""

import pyarrow as pa
import pytest

from sc2lib.corpus import mixture
from sc2lib.documents.records import Document, Provenance, table
from sc2lib.errors import InputError, ParameterError


def test_table_4_adds_up_for_the_15b_model_only():
    def total(model):
        return round(sum(source.tokens for source in mixture.PAPER_SOURCES if model in source.models), 2)

    assert total("15B") == 913.23  # as printed
    assert (total("3B"), total("7B")) == (612.45, 663.25)  # printed: 622.09 and 658.58 (sheet, section 4.1)


def test_table_1_adds_up():
    assert len(mixture.PAPER_LANGUAGES) == 32
    assert round(sum(mixture.PAPER_LANGUAGES.values()), 2) == mixture.PAPER_GIGABYTES


def test_the_paper_s_own_sizes_respect_its_caps():
    for language, cap in mixture.CAPS.items():
        assert mixture.PAPER_LANGUAGES.get(language, 0) <= cap


def test_languages_are_counted_largest_first_and_unknown_has_a_name():
    files = pa.table({"language": ["C", "Python", None, "Python"], "length_bytes": [5, 3, 1, 3]})
    assert list(mixture.count_languages(files).items()) == [("Python", 6), ("C", 5), ("unknown", 1)]


def test_caps_bind_only_above_them():
    sizes = {"Python": 900, "Java": 300, "JSON": 4, "HTML": 50}
    rates = mixture.keep_rates(sizes, scale=1e-9)  # one of our bytes for one of the paper's gigabytes
    assert rates == {"Java": pytest.approx(200 / 300)}
    assert mixture.keep_rates(sizes, scale=1.0) == {}


def test_no_code_is_refused_with_the_reason():
    some, none = pa.table({"path": ["/a.md"]}), pa.table({"path": pa.array([], pa.string())})
    mixture.require_code(some, none)
    with pytest.raises(InputError, match=r"left none of 1 files of code; .* language_cap_scale=1"):
        mixture.require_code(none, some)
    with pytest.raises(InputError, match="only notebooks or documentation"):
        mixture.require_code(none, none)


def test_scale_is_ours_over_the_paper_s_unless_given():
    assert mixture.cap_scale({"Python": 1_922_820_000}, None) == pytest.approx(1e-3)
    assert mixture.cap_scale({"Python": 5}, 0.25) == 0.25
    with pytest.raises(ParameterError, match="language_cap_scale"):
        mixture.cap_scale({"Python": 5}, 0.0)


def test_sampling_keeps_its_rate_and_is_nested():
    blobs = [f"{index:040x}" for index in range(4000)]

    def kept(rate, seed=1):
        return {blob for blob in blobs if mixture.is_kept(blob, "JSON", {"JSON": rate}, seed)}

    assert abs(len(kept(0.3)) / 4000 - 0.3) < 0.03
    assert kept(0.1) < kept(0.3)
    assert kept(0.3) != kept(0.3, seed=2)
    assert kept(1.0) == set(blobs)


@pytest.mark.parametrize("language", ["Python", None])
def test_other_languages_are_kept_whole(language):
    assert all(mixture.is_kept(f"{index:040x}", language, {"JSON": 0.0}, 1) for index in range(100))


def test_documents_are_counted_by_source_language_and_split():
    def origin(language, segment):
        return Provenance("0" * 40, "/a", language, None, segment)

    code = [("<repo_name>", "a"), ("<file_sep>", "é"), ("<file_sep>", "12")]
    notebook = [("<jupyter_start>", ""), ("<jupyter_text>", "1"), ("<jupyter_code>", "23")]
    documents = [
        Document("code", "a", "train", code, [origin("C", 1), origin("C", 2)]),
        Document("code", "b", "validation", [("<file_sep>", "123")], [origin(None, 0)]),
        Document("jupyter_structured", "c", "train", notebook, [origin("Jupyter Notebook", 1)]),
    ]
    counted = mixture.count_documents(table(documents))
    assert counted.schema == mixture.MIXTURE
    expected = {
        ("code", "C", "train"): (2, 4),
        ("code", "unknown", "validation"): (1, 3),
        ("jupyter_structured", "Jupyter Notebook", "train"): (1, 3),
    }
    assert {tuple(row.values())[:3]: tuple(row.values())[3:] for row in counted.to_pylist()} == expected
    halves = [mixture.count_documents(table(part)) for part in (documents[:1], documents[1:], documents[:1])]
    assert mixture.add_up(halves).schema == mixture.MIXTURE
    assert mixture.add_up(halves).to_pylist()[0] == dict(zip(mixture.MIXTURE.names, ("code", "C", "train", 4, 8)))


def test_bytes_are_added_up_by_any_column():
    rows = [("code", "C", "train", 1, 8), ("code", "C", "validation", 1, 4), ("issues", "-", "train", 2, 20)]
    counts = pa.Table.from_pylist([dict(zip(mixture.MIXTURE.names, row)) for row in rows], mixture.MIXTURE)
    assert list(mixture.bytes_by(counts, "source").items()) == [("issues", 20), ("code", 12)]
    assert mixture.bytes_by(counts, "split") == {"train": 28, "validation": 4}
    assert mixture.bytes_by(counts, "language", source="code") == {"C": 12}
