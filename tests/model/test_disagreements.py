import pytest

from sc2lib.model.config import ModelConfig
from sc2lib.model.disagreements import DISAGREEMENTS, SIZES


@pytest.mark.parametrize("one", DISAGREEMENTS, ids=lambda one: one.topic)
def test_what_is_taken_is_what_a_source_says_of_that_size(one):
    for size, value in one.taken().items():
        said = [claim.value for claim in one.claims if size in claim.sizes]
        assert said
        if one.field is not None:
            assert value in said


@pytest.mark.parametrize("one", [one for one in DISAGREEMENTS if one.field], ids=lambda one: one.topic)
def test_the_released_preset_is_what_the_released_file_says(one):
    for claim in one.claims:
        if claim.source == "released":
            for size in claim.sizes:
                assert getattr(ModelConfig.preset(size, "long", "released"), one.field) == claim.value


def test_rows_name_every_claim_with_its_mark():
    rows = {one.topic: one.row() for one in DISAGREEMENTS}
    assert rows["RoPE base, first stage"][1:3] == [
        "all: 100,000, the paper's text (V); 15B: 100,000, training script (V); "
        "15B: 10,000, a configuration parsed wrongly (V2)",
        "100,000",
    ]
    assert rows["tied embeddings"][2] == "tied, tied, untied"
    assert rows["dropout"][2] == "none"
    assert set(SIZES) == {"3b", "7b", "15b"}
