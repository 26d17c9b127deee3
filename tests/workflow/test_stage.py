import json
import resource
import shutil

import pyarrow as pa
import pytest

from sc2lib.errors import InputError, ParameterError, RunDirectoryError, StageError
from sc2lib.workflow import Stage
from sc2lib.workflow.manifest import load
from tests.workflow import steps


@pytest.fixture
def stage(run):
    opened = Stage.open("01_numbers", run_dir=run.path)
    yield opened
    opened.close()


def write_numbers(stage):
    stage.write_table("files", [pa.table({"n": [1, 2, 3]}), pa.table({"n": [4, 5]})])


def test_parameters_come_from_profile_and_overrides(project, run):
    stage = Stage.open("02_squares", run_dir=run.path, vocabulary_size=600)
    assert (stage.params.vocabulary_size, stage.params.shards) == (600, 2)
    with pytest.raises(ParameterError, match=r"does not declare 'hidden_size'.*parameters cell"):
        stage.params.hidden_size  # noqa: B018
    stage.close()


def test_a_parameter_the_notebook_does_not_have_is_refused(run):
    with pytest.raises(ParameterError, match=r"01_numbers.ipynb has no parameter 'vocabulary_size'"):
        Stage.open("01_numbers", run_dir=run.path, vocabulary_size=600)


def test_what_papermill_injects_is_checked():
    namespace = {"In": ["", "# Parameters\nvocabulary_sise = 5\n"], "vocabulary_sise": 5, "profile": "smoke"}
    with pytest.raises(ParameterError, match="did you mean 'vocabulary_size'"):
        Stage.parameters(namespace)
    assert Stage.parameters({"profile": "smoke", "seed": None, "np": 1}) == {"profile": "smoke", "seed": None}


def test_a_missing_predecessor_names_the_command(project, tmp_path):
    with pytest.raises(StageError, match=r"has not run.*sc2 run --profile laptop --run-dir \S+ --to 01"):
        Stage.open("02_squares", profile="laptop", run_dir=tmp_path / "r")


def test_reading_an_undeclared_stage_is_refused(stage):
    with pytest.raises(StageError, match=r"sc2\.reads"):
        stage.input("02_squares", "squares")


def test_finish_records_outputs_with_hashes_and_rows(stage):
    write_numbers(stage)
    manifest = stage.finish(metrics={"count": 5}, measured={"speed": 2.0})
    assert manifest.total("files", "rows") == 5
    assert all(len(entry["sha256"]) == 64 for entry in manifest.outputs["files"])
    assert load(stage.folder) == manifest
    assert "files" in manifest._repr_html_()


def test_the_digest_does_not_see_times(stage, run):
    write_numbers(stage)
    first = stage.finish(measured={"speed": 1.0})
    again = Stage.open("01_numbers", run_dir=run.path)
    write_numbers(again)
    second = again.finish(measured={"speed": 9.0})
    assert first.digest == second.digest
    assert second.measured["speed"] == 9.0


def test_opening_a_finished_stage_again_keeps_its_times(stage, run):
    write_numbers(stage)
    first = stage.finish(measured={"speed": 1.0})
    again = Stage.open("01_numbers", run_dir=run.path)
    assert again.finish(measured={"speed": 9.0}) == first


def test_finished_parts_are_not_made_again(stage):
    write_numbers(stage)
    stage.map(steps.square, stage.shards("files"), outputs=["squares"])
    kept = stage.path("squares/part-00000.parquet")
    kept.write_bytes(b"made before")
    stage.path("squares/part-00001.parquet").unlink()
    stage.map(steps.square, stage.shards("files"), outputs=["squares"])
    assert kept.read_bytes() == b"made before"
    assert stage.path("squares/part-00001.parquet").exists()


def test_another_parameter_starts_anew_and_the_old_result_comes_back(project, run):
    stage = Stage.open("01_numbers", run_dir=run.path, seed=1)
    write_numbers(stage)
    stage.finish()
    other = Stage.open("01_numbers", run_dir=run.path, seed=2)
    assert not other.path("files").exists()
    other.close()
    back = Stage.open("01_numbers", run_dir=run.path, seed=1)
    assert back.read("files").num_rows == 5
    back.close()


def test_an_error_in_a_step_names_the_shard_and_keeps_the_others(stage):
    stage.write_table("files", [pa.table({"n": [1]}), pa.table({"n": [7]})])
    with pytest.raises(InputError, match="seven") as caught:
        stage.map(steps.fail_on_seven, stage.shards("files"), outputs=["checked"])
    assert any("part-00001.parquet" in note for note in caught.value.__notes__)
    assert stage.path("checked/part-00000.parquet").exists()


def test_a_step_with_the_wrong_number_of_tables_is_refused(stage):
    write_numbers(stage)
    with pytest.raises(StageError, match="1 tables for 2 outputs"):
        stage.map(steps.square, stage.shards("files"), outputs=["a", "b"])


def test_leftovers_of_an_interrupted_write_disappear(stage, run):
    write_numbers(stage)
    leftover = stage.path("files/.tmp-0123-part-00002.parquet")
    leftover.write_bytes(b"half")
    stage.close()
    Stage.open("01_numbers", run_dir=run.path).close()
    assert not leftover.exists()


def test_scratch_is_not_hashed(stage):
    write_numbers(stage)
    stage.scratch("checkpoints/last.ckpt").write_text("x")
    assert set(stage.finish().outputs) == {"files"}


def test_tries_that_made_nothing_cost_nothing(stage, run):
    """Parameters that the chapter then refuses, twice, and back."""
    write_numbers(stage)
    made = stage.finish()
    for seed in (2, 3, 1234):
        Stage.open("01_numbers", run_dir=run.path, seed=seed).close()
    assert load(stage.folder) == made and stage.read("files").num_rows == 5


def test_what_lasts_outlives_every_change(project, run):
    """A stage's folder is set aside at a change and gone after the next; a training of weeks must not be."""
    for seed in (1, 2, 3):
        stage = Stage.open("01_numbers", run_dir=run.path, seed=seed)
        checkpoint = stage.lasting("training") / "checkpoint"
        checkpoint.parent.mkdir(exist_ok=True)
        assert checkpoint.exists() == (seed > 1)
        checkpoint.touch()
        write_numbers(stage)
        assert set(stage.finish().outputs) == {"files"}


def test_a_run_of_another_version_is_refused(project, run):
    run.initialise("smoke")
    record = json.loads((run.path / "run.json").read_text())
    (run.path / "run.json").write_text(json.dumps(record | {"schema": 99}))
    with pytest.raises(RunDirectoryError, match=r"schema 99.*choose another --run-dir"):
        Stage.open("01_numbers", run_dir=run.path)
    with pytest.raises(RunDirectoryError, match="schema 99"):
        run.record()  # what status and book ask first


def test_a_table_that_is_a_file_already_is_copied(stage):
    stage.write_table("small", pa.table({"n": [1]}))
    (small,) = stage.shards("small")
    stage.write_table("copied", small)
    assert stage.shards("copied")[0].read_bytes() == small.read_bytes()
    assert not stage.shards("copied")[0].samefile(small)


def test_a_disk_that_fills_up_is_named_and_what_was_done_stays(stage):
    stage.write_table("small", pa.table({"n": [1]}))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(RunDirectoryError, match=r"cannot write .*free some space"):
            stage.produce("large.txt", steps.count, 0, 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(stage.folder.rglob(".tmp-*")) and not stage.path("large.txt").exists()
    assert stage.read("small").num_rows == 1


def test_the_run_folder_cannot_be_a_file(project, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(RunDirectoryError, match="choose another --run-dir"):
        Stage.open("01_numbers", run_dir=tmp_path / "taken")


def test_lost_outputs_make_a_stage_stale(project, run):
    stage = Stage.open("01_numbers", run_dir=run.path)
    write_numbers(stage)
    stage.finish()
    shutil.rmtree(stage.path("files"))
    from sc2lib.workflow.state import problem

    assert problem("01_numbers", run) == "lost its output files/part-00000.parquet"
