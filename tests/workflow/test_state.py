import pyarrow as pa
import pytest

from sc2lib.workflow import Stage, profiles
from sc2lib.workflow.manifest import load
from sc2lib.workflow.state import problem
from tests.workflow.conftest import write_notebook

RULE = 'rule one { strings: $a = "evil" condition: $a }'


def finish(run, name, **knobs):
    stage = Stage.open(name, run_dir=run.path, **knobs)
    stage.write_table("files", pa.table({"n": [1]}))
    stage.finish()


@pytest.fixture
def scanned(project, run, tmp_path):
    """A run of 01_numbers, of 04_scan, which has a knob that names rules, and of 05_after, which reads that."""
    write_notebook(project / "notebooks", "04_scan", ["01_numbers"], {"malware_rules": None}, ["stage.finish()"])
    write_notebook(project / "notebooks", "05_after", ["04_scan"], {}, ["stage.finish()"])
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "mine.yar").write_text(RULE)
    for name, knobs in (("01_numbers", {}), ("04_scan", {"malware_rules": str(rules)}), ("05_after", {})):
        finish(run, name, **knobs)
    assert [problem(name, run) for name in ("01_numbers", "04_scan", "05_after")] == [None] * 3
    return rules


@pytest.mark.parametrize(
    "change",
    [
        lambda rules: (rules / "mine.yar").write_text(RULE.replace("evil", "vile")),
        lambda rules: (rules / "other.yar").write_text(RULE),
        lambda rules: (rules / "mine.yar").rename(rules / "yours.yar"),
    ],
)
def test_files_that_change_make_the_stage_stale_that_was_given_them_and_what_stands_on_it(run, scanned, change):
    change(scanned)
    why = f"was made before the files at malware_rules={str(scanned)!r} changed"
    assert problem("04_scan", run) == problem("04_scan", run, {"malware_rules": str(scanned)}) == why
    assert problem("05_after", run) == f"stands on 04_scan, which {why}"
    assert problem("01_numbers", run) is None
    stage = Stage.open("04_scan", run_dir=run.path, malware_rules=str(scanned))
    assert not stage.path("files").exists()  # nothing made with the old rules is taken over
    stage.close()


def test_the_same_files_written_again_change_nothing(run, scanned):
    (scanned / "mine.yar").write_text(RULE)
    (scanned / ".mine.yar.swp").write_text("an editor's")
    assert problem("04_scan", run) is None


def test_files_that_change_while_the_stage_runs_make_it_stale(run, scanned):
    stage = Stage.open("04_scan", run_dir=run.path, malware_rules=str(scanned))
    (scanned / "mine.yar").write_text("changed")
    stage.finish()
    assert "malware_rules" in problem("04_scan", run)


def test_new_rules_with_the_same_result_leave_what_stands_on_them_fresh(run, scanned):
    (scanned / "mine.yar").write_text(RULE + "\n")
    before = load(run.stage("04_scan"))
    finish(run, "04_scan", malware_rules=str(scanned))
    after = load(run.stage("04_scan"))
    assert before.digest == after.digest and before.key != after.key
    assert problem("05_after", run) is None


def test_files_that_are_gone_are_no_reason(run, scanned):
    """A run that was moved to a machine without the rules can still be read and continued."""
    (scanned / "mine.yar").unlink()
    scanned.rmdir()
    assert problem("05_after", run) is None


def test_the_knobs_that_name_files_are_known():
    named = {name for name, knob in profiles.knobs().items() if knob.path}
    assert named == {
        "opt_out",
        "repositories_table",
        "dedup_index",
        "ner_model",
        "malware_rules",
        "clamav_database",
        "benchmark_folder",
    }
