"""Which file of a group of near-duplicates stays: a total order, leader clustering, and the paper's closure."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sc2lib.dedup.candidates import Floats, Pairs
from sc2lib.dedup.shingles import Offsets

LICENSE_CLASSES = ("permissive", "no_license", "non_permissive")  # the first is preferred
KEEPER_COLUMNS = (
    "license_type",
    "star_events_count",
    "fork_events_count",
    "revision_date",
    "visit_date",
    "repo_name",
    "path",
    "blob_id",
)


# docs: start-keeper
def keeper_order(files: pa.Table) -> Offsets:
    """Rank of each row of a FILES table: of two near-duplicates, the one of the lower rank stays.

    The paper's code orders by licence class, stars, forks, revision date and visit date (V); repository, path
    and blob_id make the order total, so that it does not depend on how files arrive.
    """
    license_class = pc.index_in(files["license_type"], pa.array(LICENSE_CLASSES))
    keys = [
        ("license_class", "ascending"),
        ("star_events_count", "descending"),
        ("fork_events_count", "descending"),
        ("revision_date", "descending"),
        ("visit_date", "descending"),
        ("repo_name", "ascending"),
        ("path", "ascending"),
        ("blob_id", "ascending"),
    ]
    table = files.append_column("license_class", license_class)
    order = pc.sort_indices(table, sort_keys=[(*key, "at_end") for key in keys]).to_numpy()
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank


# docs: end-keeper


# docs: start-leader
def leader_clusters(pairs: Pairs, jaccard: Floats, rank: Offsets) -> tuple[Offsets, Floats]:
    """The keeper of every text, and the similarity to it, by leader clustering in keeper order.

    `pairs` are verified. A text becomes a keeper unless a keeper before it is similar; a text that goes is assigned
    to the most similar of the keepers before it. So every removed text is similar to one that stays and is preferred
    to it, and no two keepers are a pair. Returns, per text, the number of its keeper (its own for a keeper) and the
    Jaccard similarity (1 for a keeper).
    """
    source = np.concatenate([pairs.left, pairs.right])
    target = np.concatenate([pairs.right, pairs.left])
    similarity = np.concatenate([jaccard, jaccard])
    order = np.lexsort((target, source))
    source, target, similarity = source[order], target[order], similarity[order]
    start = np.searchsorted(source, np.arange(len(rank) + 1))
    is_keeper = np.ones(len(rank), bool)
    for text in sorted(set(source.tolist()), key=rank.__getitem__):
        if is_keeper[text]:
            is_keeper[target[start[text] : start[text + 1]]] = False
            is_keeper[text] = True
    keeper, closeness = np.arange(len(rank)), np.ones(len(rank))
    usable = is_keeper[target] & (rank[target] < rank[source])
    source, target, similarity = source[usable], target[usable], similarity[usable]
    best = np.lexsort((-rank[target], similarity, source))  # per text, the last is the most similar, then best ranked
    keeper[source[best]], closeness[source[best]] = target[best], similarity[best]
    return keeper, closeness


# docs: end-leader


def component_clusters(pairs: Pairs, rank: Offsets) -> Offsets:
    """The keeper of every text when groups are connected components, as in the paper: chains of pairs count."""
    from scipy import sparse
    from scipy.sparse import csgraph

    graph = sparse.coo_array((np.ones(len(pairs), bool), (pairs.left, pairs.right)), (len(rank), len(rank)))
    count, labels = csgraph.connected_components(graph, directed=False)
    best = np.full(count, len(rank), np.int64)
    np.minimum.at(best, labels, rank)
    by_rank = np.empty(len(rank), np.int64)
    by_rank[rank] = np.arange(len(rank))
    return by_rank[best[labels]]
