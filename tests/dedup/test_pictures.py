import numpy as np
import pyarrow as pa

from sc2lib.dedup.engine import Result
from sc2lib.dedup.leaders import REMOVALS
from sc2lib.dedup.pictures import Outcome, cluster_sizes, outcome
from sc2lib.tables import FILES


def result_of(*removals):
    columns = zip(*removals) if removals else ((), (), (), (), ())
    table = pa.table([pa.array(column, field.type) for column, field in zip(columns, REMOVALS)], schema=REMOVALS)
    return Result(5, 0, 5, table, np.zeros((2, 50), int), unsure=0)


def test_a_rule_is_judged_by_the_similarity_to_the_keeper():
    found = result_of((1, "b", "a", 0.75, 0), (2, "c", "a", 0.25, 0), (4, "e", "d", 0.7, 3))
    assert cluster_sizes(found).tolist() == [3, 2]
    files = pa.table({"blob_id": ["a", "b", "c", "e"], "length_bytes": [1000, 40, 50, 7]})
    assert outcome(found, files, 0.7) == Outcome(3, 97, 3, 1, 0.25)


def test_nothing_removed_is_nothing_lost():
    assert outcome(result_of(), FILES.empty_table(), 0.7) == Outcome(0, 0, 1, 0, 1.0)
