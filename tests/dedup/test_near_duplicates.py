"""The steps end to end, on files of the standard library and edited copies of them."""

import hashlib
import json
import random
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sc2lib.dedup import near_duplicates as steps
from sc2lib.dedup.engine import clusters_of_piece, deduplicate
from sc2lib.dedup.options import DedupOptions
from sc2lib.dedup.pieces import ShardPiece
from sc2lib.dedup.removals import removals_of_piece
from sc2lib.dedup.shingles import jaccard, naive_shingles
from sc2lib.tables import CONTENTS, FILES, REMOVED, shard_of
from tests.dedup.corpus import pairs_of, serial

THRESHOLD = 0.7


def edited(text, seed):
    """A copy with some identifiers renamed and some lines dropped."""
    lines = text.splitlines(keepends=True)
    rng = random.Random(seed)
    lines = [line for line in lines if rng.random() > rng.choice([0.0, 0.02, 0.1])]
    return re.sub(r"\bself\b", rng.choice(["self", "this"]), "".join(lines))


@pytest.fixture(scope="module")
def texts():
    originals = [path.read_text() for path in sorted(Path(json.__file__).parent.parent.glob("*.py"))[:60]]
    copies = [edited(text, seed) for seed, text in enumerate(originals[:30])]
    chain = [edited(originals[40], 7)]
    for seed in range(6):
        chain.append(edited(chain[-1], 100 + seed))
    return sorted({*originals, *copies, *chain, "", "a b c", "x y"})


def run(texts, folder, shards=1, order=0, mode="verified", scope="language"):
    """All steps; returns (files, removed, clusters, pairs)."""
    rows = []
    for number, text in enumerate(texts):
        blob_id = hashlib.sha1(text.encode()).hexdigest()
        stars = int(blob_id[:4], 16) % 3
        row = dict.fromkeys(FILES.names) | {"blob_id": blob_id, "path": f"/{number}", "star_events_count": stars}
        rows.append(row | {"language": "Python", "length_bytes": len(text.encode()), "content": text})
    random.Random(order).shuffle(rows)
    paths = {"files": [], "contents": []}
    for shard in range(shards):
        mine = [row for row in rows if shard_of(row["blob_id"], shards) == shard]
        for name, schema in (("files", FILES), ("contents", CONTENTS)):
            path = folder / f"{mode}-{shards}-{order}-{name}-{shard:03}.parquet"
            pq.write_table(pa.Table.from_pylist(mine, schema=schema), path)
            paths[name].append(path)
    pieces = [ShardPiece(*pair) for pair in zip(paths["contents"], paths["files"])]
    options = DedupOptions(threshold=THRESHOLD, scope=scope, mode=mode)
    work = folder / f"work-{mode}-{shards}-{order}"
    deduplicate(pieces, work, options, serial)
    parts, clusters = [], []
    for number, piece in enumerate(pieces):
        clusters.append(clusters_of_piece(piece.names(), removals_of_piece(work, number)))
        parts.append(steps.remove_near_duplicates(pq.read_table(piece.files), clusters[-1]))
    kept, gone = (pa.concat_tables(column) for column in zip(*parts))
    return kept, gone, pa.concat_tables(clusters), pairs_of(work)


@pytest.fixture(scope="module")
def result(texts, tmp_path_factory):
    return run(texts, tmp_path_factory.mktemp("one"))


def shingles_by_blob(texts):
    return {hashlib.sha1(text.encode()).hexdigest(): naive_shingles(text) for text in texts}


def test_every_removed_file_is_verified_against_a_keeper_that_stays(texts, result):
    files, gone, clusters, _ = result
    shingles = shingles_by_blob(texts)
    kept = set(files["blob_id"].to_pylist())
    assert gone.num_rows >= 25
    assert files.num_rows + gone.num_rows == len(texts)
    for row in clusters.to_pylist():
        if row["blob_id"] in kept:
            assert (row["cluster_id"], row["jaccard"]) == (row["blob_id"], 1.0)
        else:
            assert row["cluster_id"] in kept
            assert row["jaccard"] == jaccard(shingles[row["blob_id"]], shingles[row["cluster_id"]]) >= THRESHOLD


def test_brute_force_finds_no_similar_pair_among_the_kept(texts, result):
    shingles = shingles_by_blob(texts)
    kept = result[0]["blob_id"].to_pylist()
    close = [
        (a, b) for i, a in enumerate(kept) for b in kept[:i] if jaccard(shingles[a], shingles[b]) >= THRESHOLD + 0.1
    ]
    assert close == []  # 32 bands of 8 rows miss a pair of 0.8 once in 360 times; none of this sample's


def test_pairs_carry_their_exact_similarity(texts, result):
    shingles = shingles_by_blob(texts)
    rows = result[3].to_pylist()
    assert len(rows) >= 25
    for row in rows:
        assert row["jaccard"] == jaccard(shingles[row["blob_id_a"]], shingles[row["blob_id_b"]])


@pytest.mark.parametrize(("shards", "order"), [(1, 1), (2, 2), (7, 3), (16, 4)])
def test_neither_file_order_nor_partition_changes_the_result(texts, result, tmp_path, shards, order):
    again = run(texts, tmp_path, shards, order)

    def by_blob(table):
        return sorted(map(str, table.to_pylist()))

    assert by_blob(again[0].select(["blob_id"])) == by_blob(result[0].select(["blob_id"]))
    assert by_blob(again[2]) == by_blob(result[2])
    unordered = [
        {(*sorted((r["blob_id_a"], r["blob_id_b"])), r["jaccard"]) for r in t.to_pylist()}
        for t in (again[3], result[3])
    ]
    assert unordered[0] == unordered[1]


def test_files_too_short_for_a_shingle_stay(result):
    sizes = result[0]["length_bytes"].to_pylist()
    assert [size for size in sorted(sizes) if size < 6] == [0, 3, 5]


def test_removals_say_which_file_stayed_and_how_similar_it_is(result):
    gone = result[1]
    assert gone.schema == REMOVED
    assert set(gone["reason"].to_pylist()) == {"near_duplicate"}
    assert all(re.fullmatch(r"[0-9a-f]{40} jaccard=[01]\.\d{4}", detail) for detail in gone["detail"].to_pylist())


def test_the_paper_mode_merges_chains_and_loses_short_files(texts, tmp_path):
    kept, gone, clusters, _ = run(texts, tmp_path, mode="paper")
    assert sum(size < 6 for size in kept["length_bytes"].to_pylist()) == 1
    assert clusters.num_rows == kept.num_rows + gone.num_rows == len(texts)
    assert set(clusters["cluster_id"].to_pylist()) == set(kept["blob_id"].to_pylist())
