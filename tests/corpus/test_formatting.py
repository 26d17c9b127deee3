"""Repository context: the paper's templates, whatever the order of the files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sc2lib.corpus import formatting
from sc2lib.corpus.formatting import SourceFile, repository_documents


def rendered(document) -> str:
    return "".join((token or "") + text for token, text in document.segments)


def test_with_metadata_the_template_names_repository_and_paths(files):
    (document,) = repository_documents("python/cpython", files, "train", seed=1, metadata_rate=1.0)
    order = formatting.shuffled("python/cpython", files, seed=1)
    expected = "<repo_name>python/cpython"
    expected += "".join(f"<file_sep>{file.path[1:]}\n{file.content}" for file in order)
    assert rendered(document) == expected


def test_without_metadata_only_the_code_is_there(files):
    (document,) = repository_documents("python/cpython", files, "train", seed=1, metadata_rate=0.0)
    order = formatting.shuffled("python/cpython", files, seed=1)
    assert rendered(document) == "".join(f"<file_sep>{file.content}" for file in order)


@pytest.mark.parametrize("rate", [0.0, 1.0])
@pytest.mark.parametrize("limit", [None, 1, 10_000, 10**9])
def test_every_file_is_there_once_and_provenance_points_at_it(files, rate, limit):
    documents = list(repository_documents("r", files, "train", 1, rate, limit))
    seen = []
    for document in documents:
        for origin in document.files:
            file = next(file for file in files if file.blob_id == origin.blob_id)
            token, text = document.segments[origin.segment]
            assert token == "<file_sep>"
            assert text == (file.path[1:] + "\n" if rate else "") + file.content
            seen.append(origin.blob_id)
        assert (document.segments[0] == ("<repo_name>", "r")) == bool(rate)
    assert sorted(seen) == [file.blob_id for file in files]
    assert len(documents) == {None: 1, 1: len(files), 10**9: 1}.get(limit, len(documents))


def test_a_limit_splits_only_where_it_must(files):
    documents = list(repository_documents("r", files, "train", 1, 0.0, 20_000))
    assert len(documents) > 1
    sizes = [document.length_bytes for document in documents]
    assert all(size <= 20_000 or len(document.files) == 1 for size, document in zip(sizes, documents, strict=True))
    by_id = {file.blob_id: len(file.content.encode()) for file in files}
    for size, following in zip(sizes, documents[1:], strict=False):
        assert size + by_id[following.files[0].blob_id] > 20_000


@given(st.randoms(use_true_random=False), st.integers(0, 5))
def test_the_order_of_arrival_does_not_matter(files, random, seed):
    mixed = random.sample(files, len(files))
    first, second = (list(repository_documents("r", some, "train", seed)) for some in (files, mixed))
    assert first == second


def test_the_order_changes_with_the_seed_and_with_the_repository(files):
    orders = {
        tuple(file.path for file in formatting.shuffled(name, files, seed)) for name in ("a", "b") for seed in (1, 2)
    }
    assert len(orders) == 4


def test_every_order_is_as_likely(files):
    first = [formatting.shuffled(f"r{index}", files, 1)[0].path for index in range(2000)]
    counts = [first.count(file.path) for file in files]
    expected = len(first) / len(files)
    chi_squared = sum((count - expected) ** 2 / expected for count in counts)
    assert chi_squared < 30  # 5 degrees of freedom: exceeded by chance once in 65,000 times


def test_the_coin_lands_on_metadata_as_often_as_the_rate_says():
    share = sum(formatting.has_metadata(f"r{index}", seed=1, rate=0.5) for index in range(4000)) / 4000
    assert abs(share - 0.5) < 0.03


def test_a_file_that_contains_a_separator_is_one_segment():
    file = SourceFile("0" * 40, "/a.py", "Python", None, "print('<file_sep><|endoftext|>')\n")
    (document,) = repository_documents("r", [file], "train", 1, 0.0)
    assert document.segments == [("<file_sep>", file.content)]


def test_a_repository_without_files_makes_no_document():
    assert list(repository_documents("r", [], "train", 1)) == []
