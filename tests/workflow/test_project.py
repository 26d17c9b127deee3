import pytest

from sc2lib.errors import InputError
from sc2lib.workflow.project import ancestors, literals, notebooks, root


def test_a_notebook_declares_its_knobs_and_what_it_reads(project):
    stage = notebooks()["02_squares"]
    assert stage.reads == ("01_numbers",)
    assert stage.knobs == ("vocabulary_size",)
    assert "Stage.open" in stage.code and "profile = " not in stage.code


def test_ancestors_come_in_running_order(project):
    assert ancestors("03_parity", notebooks()) == ["01_numbers", "02_squares"]


def test_a_stage_that_reads_a_stranger_is_named(project):
    from tests.workflow.conftest import write_notebook

    write_notebook(project / "notebooks", "04_lost", ["00_nowhere"], {}, [])
    with pytest.raises(InputError, match=r"04_lost.ipynb reads '00_nowhere'"):
        ancestors("04_lost", notebooks())


def test_a_notebook_that_is_no_json_names_the_remedy(project):
    (project / "notebooks" / "05_broken.ipynb").write_text("<html>")
    with pytest.raises(InputError, match=r"05_broken.ipynb is not a notebook.*git checkout"):
        notebooks()


def test_parameters_are_flat_literals():
    assert literals("a = 1  # unit\nb = None", "x") == {"a": 1, "b": None}
    with pytest.raises(InputError, match="only name = literal"):
        literals("import os", "x")


def test_the_books_own_root_is_the_checkout():
    assert (root() / "sc2lib" / "workflow").is_dir()
