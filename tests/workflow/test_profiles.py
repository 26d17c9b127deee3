import ast

import pytest

from sc2lib.errors import ParameterError
from sc2lib.workflow import profiles
from sc2lib.workflow.project import notebooks


def test_every_profile_sets_every_knob():
    for name in profiles.names():
        assert set(profiles.load(name)) == set(profiles.knobs()), name


def test_profiles_come_smallest_first():
    assert profiles.names() == ["smoke", "laptop", "workstation", "paper-3b", "paper-7b", "paper-15b"]


def test_every_knob_is_used_by_a_notebook_and_explained():
    declared = {name for notebook in notebooks().values() for name in notebook.knobs}
    unused = set(profiles.knobs()) - declared - set(profiles.COMMON)
    assert not unused, f"no notebook uses {sorted(unused)}"
    assert all(len(knob.help) > 5 for knob in profiles.knobs().values())


def test_every_notebook_parameter_is_a_knob_left_to_the_profile():
    for notebook in notebooks().values():
        assert notebook.parameters["profile"] == "smoke"
        assert notebook.parameters["run_dir"] is None
        for name in notebook.knobs:
            assert name in profiles.knobs(), f"{notebook.stage} declares {name}"
            assert notebook.parameters[name] is None, f"{notebook.stage}: {name} hides the profile's value"


def test_paper_profiles_carry_the_papers_shapes():
    shapes = {
        name: tuple(
            profiles.load(name)[knob]
            for knob in ("num_hidden_layers", "hidden_size", "num_attention_heads", "num_key_value_heads")
        )
        for name in ("paper-3b", "paper-7b", "paper-15b")
    }
    assert shapes == {
        "paper-3b": (30, 3072, 24, 2),
        "paper-7b": (32, 4608, 36, 4),
        "paper-15b": (40, 6144, 48, 4),
    }


def test_the_second_stage_keeps_the_papers_ratio_of_learning_rates():
    """3e-5 of 3e-4 for the 3B and the 15B, 2e-5 of 3.2e-4 for the 7B (R)."""
    for name in profiles.names():
        values = profiles.load(name)
        expected = 1 / 16 if name == "paper-7b" else 1 / 10
        assert values["long_learning_rate"] / values["learning_rate"] == pytest.approx(expected), name


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"shrads": 4}, "did you mean 'shards'"),
        ({"shards": 0}, "out of range"),
        ({"shards": 300}, "at most 256"),
        ({"shards": "four"}, "is a str"),
        ({"shards": True}, "is a bool"),
        ({"executor": "spark"}, "one of local, ray"),
    ],
)
def test_impossible_values_are_refused_with_what_is_allowed(overrides, message):
    with pytest.raises(ParameterError, match=message):
        profiles.load("smoke", overrides)


def test_unknown_profile_names_the_nearest():
    with pytest.raises(ParameterError, match="did you mean 'laptop'"):
        profiles.load("labtop")


def test_an_integer_serves_where_a_number_is_asked():
    assert profiles.load("smoke", {"rope_theta": 10000})["rope_theta"] == 10000.0


def test_none_leaves_the_profile_value():
    assert profiles.load("laptop", {"shards": None})["shards"] == profiles.load("laptop")["shards"]


@pytest.mark.parametrize("name", ["overlap_words", "max_document_bytes", "opt_out"])
def test_null_sets_an_optional_knob_to_none(name):
    assert profiles.load("smoke", {name: profiles.NULL})[name] is None
    assert profiles.knob(name).parse("null") == profiles.NULL


def test_null_is_no_value_of_a_knob_that_must_have_one():
    for name in ("shards", "source"):
        with pytest.raises(ParameterError, match="null"):
            profiles.load("smoke", {name: profiles.NULL})


def test_profiles_are_flat_literals():
    for value in profiles.load("laptop").values():
        assert ast.literal_eval(repr(value)) == value
