"""Near-duplicates as steps of a stage: band keys per shard, verified pairs, clusters, and who leaves.

The steps per shard are pure functions for `Stage.map`; between them lies one join over 8-byte band keys, the only
point where files of different shards meet. Source: reference sheet, section 3.3.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash

from sc2lib.curation.bigcode_minhash import bigcode_signatures
from sc2lib.curation.candidates import Floats, Pairs, candidate_pairs
from sc2lib.curation.clusters import component_clusters, keeper_order, leader_clusters
from sc2lib.curation.columns import take_contents
from sc2lib.curation.minhash import EMPTY, band_keys, signatures_of_texts
from sc2lib.curation.shingles import Hashes, Offsets, ShingleSets, mix, shingle_sets
from sc2lib.errors import InputError
from sc2lib.tables import removed

BAND_KEYS = pa.schema([("blob_id", pa.string()), ("has_shingles", pa.bool_()), ("keys", pa.list_(pa.uint64()))])
PAIRS = pa.schema([("blob_id_a", pa.string()), ("blob_id_b", pa.string()), ("jaccard", pa.float64())])
CLUSTERS = pa.schema([("blob_id", pa.string()), ("cluster_id", pa.string()), ("jaccard", pa.float64())])


def band_table(
    contents: pa.Table,
    files: pa.Table,
    *,
    shingle_size: int = 5,
    bands: int = 32,
    rows: int = 8,
    scope: str = "language",
    mode: str = "verified",
) -> pa.Table:
    """BAND_KEYS of one shard's files. With the scope ``language`` files of two languages never share a key.

    The mode ``paper`` hashes as the published code does, `sc2lib.curation.bigcode_minhash`.
    """
    texts = take_contents(files["blob_id"], contents).combine_chunks()
    sketch = bigcode_signatures if mode == "paper" else signatures_of_texts
    signatures = sketch(texts, bands * rows, shingle_size)
    keys = band_keys(signatures, bands, rows)
    keys = scoped(keys, files["language"], scope)
    offsets = pa.array(np.arange(len(keys) + 1) * bands, pa.int32())
    columns = [
        files["blob_id"].combine_chunks(),
        pa.array((signatures != EMPTY).any(axis=1)),
        pa.ListArray.from_arrays(offsets, pa.array(keys.reshape(-1))),
    ]
    return pa.table(columns, schema=BAND_KEYS)


def scoped(keys: Hashes, languages: pa.ChunkedArray, scope: str) -> Hashes:
    """Band keys that files of two languages never share, if the scope is ``language``; as they are otherwise."""
    if scope != "language":
        return keys
    names = languages.fill_null("").to_pylist()
    values = np.array([xxhash.xxh64_intdigest(name.encode()) for name in names], np.uint64)
    return mix(keys ^ values[:, None])


@dataclass(frozen=True)
class Candidates:
    """Files that share a band key, numbered as in `blob_ids`; `without_shingles` files are too short to compare."""

    blob_ids: pa.Array
    pairs: Pairs
    without_shingles: int


def find_candidates(bands: pa.Table, mode: str = "verified") -> Candidates:
    """Join BAND_KEYS on equal keys of equal bands. In the mode ``paper`` files without shingles share a group."""
    blob_ids = bands["blob_id"].combine_chunks()
    keys = bands["keys"].combine_chunks().flatten().to_numpy().reshape(len(blob_ids), -1)
    comparable = bands["has_shingles"].to_numpy()
    eligible = np.ones(len(blob_ids), bool) if mode == "paper" else comparable
    return Candidates(blob_ids, candidate_pairs(keys, eligible), int((~comparable).sum()))


def shingles_of_blobs(task: tuple[Path, pa.Array, int]) -> ShingleSets:
    """Shingle sets of some blobs of a CONTENTS shard; a task is (path, blob_ids, shingle_size)."""
    path, blob_ids, shingle_size = task
    texts = take_contents(pa.chunked_array([blob_ids]), pq.read_table(path, partitioning=None))
    return shingle_sets(texts.combine_chunks(), shingle_size)


def shingle_tasks(
    candidates: Candidates, contents: Sequence[Path], files: Sequence[Path], shingle_size: int
) -> list[tuple[Path, pa.Array, int]]:
    """One `shingles_of_blobs` task per shard, for the files that are in some candidate pair."""
    involved = candidates.blob_ids.take(pa.array(_involved(candidates.pairs)))
    tasks = []
    for contents_path, files_path in zip(contents, files, strict=True):
        blob_ids = pq.read_table(files_path, columns=["blob_id"], partitioning=None)["blob_id"].combine_chunks()
        tasks.append((contents_path, blob_ids.filter(pc.is_in(blob_ids, involved)), shingle_size))
    return tasks


def gather_shingles(candidates: Candidates, shards: Sequence[ShingleSets]) -> ShingleSets:
    """Shingle sets by file number, from the results of `shingle_tasks` in order; empty for files in no pair."""
    sizes = np.zeros(len(candidates.blob_ids), np.int64)
    sizes[_involved(candidates.pairs)] = np.concatenate([np.zeros(0, np.int64), *(shard.sizes for shard in shards)])
    hashes = np.concatenate([np.zeros(0, np.uint64), *(shard.hashes for shard in shards)])
    return ShingleSets(hashes, np.concatenate([[0], np.cumsum(sizes)]))


def clusters_of(
    files: pa.Table, candidates: Candidates, jaccard: Floats, threshold: float, mode: str = "verified"
) -> pa.Table:
    """CLUSTERS: the keeper of every file, itself included, and the similarity to it.

    ``verified`` clusters around keepers with pairs of at least `threshold`; ``paper`` takes the connected components
    of all candidates, and the similarity is null where keeper and file were never compared.
    """
    if not files["blob_id"].combine_chunks().equals(candidates.blob_ids):
        raise InputError("the files are not those of the band keys, row by row: read both from the same run")
    rank = keeper_order(files)
    if mode == "paper":
        keeper = component_clusters(candidates.pairs, rank)
        closeness = pa.array(_closeness(keeper, candidates.pairs, jaccard), from_pandas=True)
    else:
        similar = jaccard >= threshold
        keeper, values = leader_clusters(candidates.pairs.where(similar), jaccard[similar], rank)
        closeness = pa.array(values)
    columns = [candidates.blob_ids, candidates.blob_ids.take(pa.array(keeper)), closeness]
    return pa.table(columns, schema=CLUSTERS)


def pair_table(candidates: Candidates, jaccard: Floats, minimum: float) -> pa.Table:
    """PAIRS of candidates whose similarity is at least `minimum`."""
    keep = jaccard >= minimum
    pairs = candidates.pairs.where(keep)
    sides = [candidates.blob_ids.take(pa.array(side)) for side in (pairs.left, pairs.right)]
    return pa.table([*sides, pa.array(jaccard[keep])], schema=PAIRS)


def partition_like(clusters: pa.Table, files: Sequence[Path]) -> list[pa.Table]:
    """Cut CLUSTERS, whose rows follow the shards of `files` in order, at the borders of those shards."""
    counts = [pq.read_metadata(path).num_rows for path in files]
    starts = np.concatenate([[0], np.cumsum(counts)])
    return [clusters.slice(int(start), count) for start, count in zip(starts[:-1], counts)]


def remove_near_duplicates(files: pa.Table, clusters: pa.Table) -> tuple[pa.Table, pa.Table]:
    """FILES that are their own keeper, and REMOVED with the keeper and the similarity to it as the detail."""
    mine = clusters.take(pc.index_in(files["blob_id"], clusters["blob_id"].combine_chunks()))
    stays = pc.equal(mine["blob_id"], mine["cluster_id"])
    gone = mine.filter(pc.invert(stays))
    details = [
        keeper if jaccard is None else f"{keeper} jaccard={jaccard:.4f}"
        for keeper, jaccard in zip(gone["cluster_id"].to_pylist(), gone["jaccard"].to_pylist())
    ]
    detail = pa.array(details, pa.string())
    return files.filter(stays), removed(files.filter(pc.invert(stays)), "near_duplicate", detail)


def _involved(pairs: Pairs) -> Offsets:
    return np.union1d(pairs.left, pairs.right)


def _closeness(keeper: Offsets, pairs: Pairs, jaccard: Floats) -> Floats:
    """Similarity of each text to its keeper where that pair was compared, else NaN; 1 for the keeper itself."""
    result = np.where(keeper == np.arange(len(keeper)), 1.0, np.nan)
    for a, b in ((pairs.left, pairs.right), (pairs.right, pairs.left)):
        known = keeper[a] == b
        result[a[known]] = jaccard[known]
    return result


@dataclass(frozen=True)
class ShownPair:
    """A removed file and its keeper, for a reader to look at."""

    blob_ids: pa.Array
    names: tuple[str, str]
    jaccard: float


def pair_to_show(files: pa.Table, clusters: pa.Table) -> ShownPair | None:
    """The removal that says most: of two repositories, in the commonest language, near 0.85, at most 6 kB; or None."""
    rows = files.select(["blob_id", "repo_name", "path", "language", "length_bytes"]).to_pylist()
    by_blob = {row["blob_id"]: row for row in rows}
    common = Counter(row["language"] for row in rows).most_common(1)[0][0] if rows else None
    choices: list[tuple[bool, bool, float, str, str, float]] = []
    for blob_id, keeper, jaccard in zip(*(clusters[name].to_pylist() for name in CLUSTERS.names)):
        gone, stays = by_blob[blob_id], by_blob[keeper]
        if blob_id != keeper and jaccard is not None and max(gone["length_bytes"], stays["length_bytes"]) <= 6000:
            inside = gone["repo_name"] == stays["repo_name"]
            choices.append((inside, gone["language"] != common, abs(jaccard - 0.85), blob_id, keeper, jaccard))
    if not choices:
        return None
    *_, blob_id, keeper, jaccard = min(choices)
    names = [f"{by_blob[name]['repo_name']}{by_blob[name]['path']}" for name in (blob_id, keeper)]
    return ShownPair(pa.array([blob_id, keeper]), (names[0], names[1]), jaccard)
