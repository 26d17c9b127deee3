import argparse
import re
import shlex
import subprocess
import sys

import pytest

from sc2lib.cli import main
from sc2lib.cli.commands import parser
from sc2lib.cli.shared import settings
from sc2lib.errors import ParameterError
from sc2lib.workflow import profiles


def test_settings_are_read_in_the_knobs_type():
    assert settings(["seed=7", "rope_theta=1e4", "tie_word_embeddings=false"]) == {
        "seed": 7,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
    }


def test_a_setting_of_null_is_not_the_profiles_value():
    given = settings(["overlap_words=null", "opt_out=", "max_document_bytes=~"])
    assert set(given.values()) == {profiles.NULL}
    assert profiles.load("smoke")["overlap_words"] and profiles.load("smoke", given)["overlap_words"] is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--set", "sed=1"], "did you mean 'seed'"),
        (["run", "--set", "seed"], "not of the form KEY=VALUE"),
        (["run", "--profile", "latop"], "did you mean 'laptop'"),
        (["run", "--only", "99"], "no stage '99'"),
        (["run", "--set", "shards=0"], "out of range"),
        (["run", "--set", "num_attention_heads=5"], "chapter 12 would refuse these settings: hidden_size 128 does not"),
        (["run", "--only", "12", "--set", "devices=3"], "take a multiple of 12"),
        (["run", "--set", "sliding_window=4096"], "chapter 13 would refuse these settings: sliding_window"),
    ],
)
def test_wrong_parameters_exit_with_2_and_say_what_is_right(arguments, words, capsys, tmp_path):
    assert main([*arguments, "--run-dir", str(tmp_path / "run")]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_status_of_a_run_that_is_not_there_names_the_command(capsys, tmp_path):
    assert main(["status", "--profile", "smoke", "--run-dir", str(tmp_path / "none")]) == 1
    assert "sc2 run --profile smoke" in capsys.readouterr().err


def test_help_shows_examples():
    finished = subprocess.run(
        [sys.executable, "-m", "sc2lib.cli", "--help"], capture_output=True, text=True, check=True
    )
    assert "sc2 run --only 04 --set jaccard_threshold=0.8" in finished.stdout


def harmless_examples():
    """The examples of every verb's help that compute or print and change nothing, as their words."""
    (verbs,) = [action for action in parser()._actions if isinstance(action, argparse._SubParsersAction)]
    for name, verb in verbs.choices.items():
        dry = "--dry-run" in verb.format_help()
        for line in (verb.epilog or "").splitlines()[1:] if dry or name == "plan" else []:
            words = shlex.split(re.split(r" {2,}", line.strip())[0])[1:]
            yield words + ["--dry-run"] * (dry and "--dry-run" not in words)


@pytest.mark.parametrize("words", list(harmless_examples()), ids=" ".join)
def test_the_examples_of_the_help_work(words, capsys):
    assert main(words) == 0, capsys.readouterr()
    assert capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["fly"], ["run", "--profil", "smoke"], ["dedup", ".", "--ou", "clean"]])
def test_an_unknown_verb_or_an_option_that_is_cut_short_is_a_usage_error(arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


def test_doctor_names_the_machine_and_what_it_can_run(capsys):
    assert main(["doctor"]) == 0
    printed = capsys.readouterr().out
    assert "cores" in printed and "this machine can run: smoke" in printed


def test_settings_refuse_a_value_that_is_no_yaml_scalar_of_the_type():
    with pytest.raises(ParameterError, match="give a value of type int"):
        settings(["seed=[1]"])


def test_ctrl_c_is_answered_while_the_command_is_still_being_imported(monkeypatch, capsys):
    class Interrupted:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name == "sc2lib.cli.commands":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "sc2lib.cli.commands", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupted, *sys.meta_path])
    assert main(["status"]) == 130
    assert "goes on where this one stopped" in capsys.readouterr().err


def test_a_reader_that_goes_early_gets_no_traceback():
    program = "from sc2lib.cli.shared import say; [say(number) for number in range(10_000)]"
    command = f"{sys.executable} -c '{program}' | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "0\n")
