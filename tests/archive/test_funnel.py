"""The funnel counts every row once and knows every reason."""

import re
from importlib import resources
from pathlib import Path

import pytest

from sc2lib.archive import contents, download
from sc2lib.archive.funnel import STEPS, draw, funnel


def test_steps_account_for_every_file_and_byte(tmp_path: Path, produce) -> None:
    for name, data in {"a.py": b"12345", "b.py": b"12345", "c.bin": b"\0", "d.txt": b"x" * 50}.items():
        (tmp_path / name).write_bytes(data)
    run = produce("directory", tmp_path, max_file_bytes=50)
    steps = {step.label: step for step in funnel(run.files, run.removed)}
    assert steps["files met on the walk"][1:] == (4, 61, 0, 0)
    assert steps["one file per blob"][1:] == (3, 56, 1, 5)
    assert steps["below the size limit"][1:] == (2, 6, 1, 50)
    assert steps["no NUL byte"][1:] == (1, 5, 1, 1)
    assert steps["decodable"][1:] == (run.files.num_rows, 5, 0, 0)
    panels = draw(list(steps.values())).axes
    drawn = [[bar.get_width() for bar in panel.containers[0]] for panel in panels]
    assert drawn == [[step.files for step in steps.values()], [step.bytes for step in steps.values()]]


def test_every_reason_of_the_code_belongs_to_a_step() -> None:
    sql = resources.files("sc2lib.archive").joinpath("walk.sql").read_text(encoding="utf-8")
    named = set(re.findall(r"THEN '(\w+)'|'(\w+)' AS reason", sql)) | {("binary", ""), ("undecodable", "")}
    reasons = {first or second for first, second in named} - {"directory"}
    source = Path(contents.__file__).read_text() + Path(download.__file__).read_text()
    reasons |= set(re.findall(r'Decoded\(None, None, "(\w+)"', source))
    assert reasons == {reason for _, step in STEPS for reason in step}


def test_an_unknown_reason_is_an_error(tmp_path: Path, produce) -> None:
    (tmp_path / "a.py").write_bytes(b"1")
    (tmp_path / "b.bin").write_bytes(b"\0")
    run = produce("directory", tmp_path)
    strange = run.removed.set_column(5, "reason", [["by mistake"]])
    with pytest.raises(ValueError, match="by mistake"):
        funnel(run.files, strange)
