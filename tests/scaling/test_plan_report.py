from sc2lib.scaling.plan import Quantity
from sc2lib.scaling.plan_report import table


def test_the_table_names_a_group_once_and_keeps_the_dashes_of_an_option():
    lines = [
        Quantity("memory", "weights", 2e9, "B", "bytes a parameter"),
        Quantity("memory", "share", 1.5, "fraction", "DOES NOT FIT: take --sharding full"),
        Quantity("time", "a day", 3.0, "h", "too long: take --micro-batch 1"),
    ]
    rows = table(lines).data.splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows] == ["**memory**", "weights", "share", "**time**", "a day"]
    assert rows[2].endswith("DOES NOT FIT: take `--sharding full` |")
    assert rows[4].endswith("too long: take `--micro-batch 1` |")
