"""Near-duplicates and the tables of a run: who leaves, in REMOVED rows, and a pair for a reader to look at."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from sc2lib import queries
from sc2lib.dedup.shingles import Hashes, mix
from sc2lib.queries import Stored
from sc2lib.tables import removed

CLUSTERS = pa.schema([("blob_id", pa.string()), ("cluster_id", pa.string()), ("jaccard", pa.float64())])


def scoped(keys: Hashes, languages: pa.ChunkedArray, scope: str) -> Hashes:
    """Band keys that files of two languages never share, if the scope is ``language``; as they are otherwise."""
    if scope != "language":
        return keys
    names = languages.fill_null("").to_pylist()
    values = np.array([xxhash.xxh64_intdigest(name.encode()) for name in names], np.uint64)
    return mix(keys ^ values[:, None])


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


@dataclass(frozen=True)
class ShownPair:
    """A removed file and its keeper, for a reader to look at."""

    blob_ids: pa.Array
    names: tuple[str, str]
    jaccard: float


_PAIR = """
SELECT c.blob_id, c.cluster_id, gone.repo_name || gone.path, stays.repo_name || stays.path, c.jaccard
FROM clusters c
JOIN files gone USING (blob_id)
JOIN files stays ON stays.blob_id = c.cluster_id
WHERE c.blob_id <> c.cluster_id AND c.jaccard IS NOT NULL AND greatest(gone.length_bytes, stays.length_bytes) <= 6000
ORDER BY
    gone.repo_name = stays.repo_name,
    gone.language IS DISTINCT FROM
        (SELECT language FROM files GROUP BY 1 ORDER BY count(*) DESC, min(blob_id) LIMIT 1),
    abs(c.jaccard - 0.85), c.blob_id, c.cluster_id
LIMIT 1
"""


def pair_to_show(files: Stored, clusters: Stored) -> ShownPair | None:
    """The removal that says most: of two repositories, in the commonest language, near 0.85, at most 6 kB; or None.

    A keeper that is a file of an earlier crawl is not among the files, and not shown.
    """
    for gone, stays, name, keeper, jaccard in queries.rows(_PAIR, files=files, clusters=clusters):
        return ShownPair(pa.array([gone, stays]), (name, keeper), jaccard)
    return None
