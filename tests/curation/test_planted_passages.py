import pytest

from sc2lib.curation.benchmark_passages import human_eval_passages
from sc2lib.curation.decontamination import default_finder, normalise
from sc2lib.curation.overlaps import OverlapFinder
from sc2lib.curation.planted_passages import CHANGES, plant

TEXTS = ["import os\n\nx = 1\n", "", "# größe\n"]
LONG = [passage for passage in human_eval_passages() if len(passage.text.split()) > 40][:30]


def test_a_whole_passage_is_found_by_both_rules():
    overlaps = OverlapFinder(LONG)
    for passage, text in zip(LONG, plant(TEXTS, LONG, "whole", 3)):
        assert passage in [match.passage for match in default_finder().find(text)]
        assert max(place.share for place in overlaps.find(text) if place.passage == passage) == 1


@pytest.mark.parametrize("change", [name for name in CHANGES if name != "whole"])
def test_a_changed_passage_escapes_the_substring_rule(change):
    for passage, text in zip(LONG, plant(TEXTS, LONG, change, 3)):
        assert normalise(passage.text) not in normalise(text)


def test_the_file_around_it_is_untouched_and_the_seed_decides():
    texts = plant(TEXTS, LONG, "first half", 3)
    assert texts == plant(TEXTS, LONG, "first half", 3)
    assert texts != plant(TEXTS, LONG, "first half", 4)
    for number, text in enumerate(texts):
        rest = iter(text.split("\n"))
        assert all(line in rest for line in TEXTS[number % 3].split("\n"))
