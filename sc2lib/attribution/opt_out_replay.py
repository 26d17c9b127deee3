"""Replay of an opt-out on a finished run: the data stages are filtered, not made again.

Rows of every table, documents, and tokens that come from a repository or object of the list leave; counts are made
anew, and so are the manifests of the filtered stages, so that they stay up to date. What quotes the data (samples,
indices, executed notebooks) is deleted. What has learnt from the data cannot be filtered: the vocabulary stays and its
manifest says so, models become stale; `forget` deletes both. The list is kept in the run's folder, so that whatever
the run makes again leaves the same repositories out.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import nbformat

from sc2lib import files
from sc2lib.archive.opt_out import RUN_FILE, OptOut
from sc2lib.attribution import opt_out_counts, opt_out_targets
from sc2lib.attribution.opt_out_graph import sweep
from sc2lib.attribution.opt_out_rows import drop_tokens, filter_file
from sc2lib.attribution.opt_out_targets import PENDING
from sc2lib.corpus import data_card
from sc2lib.errors import StageError
from sc2lib.workflow import manifest as manifests
from sc2lib.workflow import state
from sc2lib.workflow.lock import RunLock
from sc2lib.workflow.project import ancestors, notebooks, root
from sc2lib.workflow.run_directory import RunDirectory

FIRST, LAST = "01_archive", "09_tokenizer"  # the stages whose outputs are rows, and can be filtered
TRAINED = ("12_pretraining", "13_long_context")  # weights: nothing can be taken out of them
VOCABULARY = "vocabulary_from_before_opt_out"  # metric of 09: its merges were learnt with texts that have left


class Replay(NamedTuple):
    """What a replay did: rows dropped by table, tokens dropped by split, stages that must run again.

    `learnt` are the stages whose outputs have learnt from what left and are still there, `unmatched` the entries of the
    list that nothing of the run answers to.
    """

    rows: dict[str, int]
    tokens: dict[str, int]
    stale: list[str]
    learnt: list[str]
    unmatched: list[str]


def replay(
    run: RunDirectory, opt_out: OptOut, say: Callable[[str], None] = lambda text: None, forget: bool = False
) -> Replay:
    """Apply a list to a run. Run it again after an interruption: filtering twice gives what filtering once gives.

    `forget` deletes the vocabulary and the models too, so that nothing learnt from what left remains; the next run
    makes them anew. Raises StageError when the run has no archive yet.
    """
    with RunLock(run.path):
        chosen = _filterable(run, forget)
        merged = OptOut.read(run.path / RUN_FILE)
        merged = OptOut(merged.names | opt_out.names, merged.objects | opt_out.objects)
        # first of all: from here on nothing the run makes again can bring the repositories back
        files.write_text(run.path / RUN_FILE, "".join(f"{line}\n" for line in merged.lines()))
        targets = opt_out_targets.remembered(run, opt_out_targets.find(run, merged))
        unmatched = opt_out_targets.unmatched(run, opt_out, targets)
        files.remove(run.path / "superseded")
        files.remove(run.path / "failed")
        files.remove(run.lasting)  # trainings on what leaves: no run could go on with them
        rows: dict[str, int] = {}
        tokens: dict[str, int] = {}
        for stage in chosen:
            say(f"{stage}: filtering")
            folder = run.stage(stage)
            files.remove(folder / "scratch")
            if stage == LAST:
                tokens = drop_tokens(folder, targets)
            for path in sorted(folder.glob("*/part-*.parquet")):
                if path.parent.name == "token_index":
                    continue  # moved together with the tokens
                dropped = filter_file(path, merged, targets)
                if dropped:
                    name = f"{stage}/{path.parent.name}"
                    rows[name] = rows.get(name, 0) + dropped
            if stage == FIRST:
                for name, count in sweep(folder, targets.objects).items():
                    rows[f"{stage}/{name}"] = rows.get(f"{stage}/{name}", 0) + count
            if stage == opt_out_counts.MIXTURE:
                opt_out_counts.write_mixture(folder)
            _blank(run.notebook(stage))
        for stage in chosen:
            if (run.stage(stage) / "README.md").exists():
                contact = run.manifests()[stage].params.get("opt_out_contact")
                data_card.write(run.stage(stage) / "README.md", run.path, stage, contact)
            _sign(run, stage, merged)
        stale = _discard(run, chosen, forget)
        files.remove(run.path / PENDING)
        return Replay(rows, tokens, stale, _learnt(run), unmatched)


def _filterable(run: RunDirectory, forget: bool) -> list[str]:
    """The finished data stages in order; a vocabulary that is to be forgotten goes with its tokens."""
    finished = [name for name in run.manifests() if FIRST <= name <= LAST]
    if FIRST not in finished:
        raise StageError(f"{FIRST} has not finished in {run.path}; give the list to the run: --set opt_out=LIST")
    finished = [name for name in finished if name == FIRST or FIRST in ancestors(name, notebooks())]
    return [name for name in finished if not (forget and name == LAST)]


def _sign(run: RunDirectory, stage: str, opt_out: OptOut) -> None:
    """Write the manifest of a filtered stage anew: outputs, inputs, counts and key; the rest is as its run left it."""
    folder, notebook = run.stage(stage), notebooks()[stage]
    old = manifests.load(folder)
    assert old is not None
    outputs = manifests.describe(folder, exclude=(manifests.NAME, "stage.json", "scratch"))
    inputs = state.input_digests(notebook, run)
    metrics = opt_out_counts.recounted(folder, old.metrics, run.path) | {"opted_out_entries": len(opt_out.lines())}
    if stage == LAST and inputs != old.inputs:
        metrics[VOCABULARY] = True
    paths = dict(old.paths)
    given = old.params.get("opt_out") or ""
    for name, digest in state.path_digests({"opt_out": given}).items():
        if opt_out.covers(OptOut.read(root() / Path(given).expanduser())):  # the list has grown, and this did it
            paths[name] = digest
    signed = replace(old, outputs=outputs, inputs=inputs, metrics=metrics, paths=paths)
    if old.code == state.code_version(notebook):  # made by other code, it stays so, and is made again as a whole
        signed = replace(signed, key=state.key(notebook, old.params, run, paths))
    files.write_text(folder / "stage.json", json.dumps({"key": signed.key}) + "\n")
    signed.save(folder)


def _discard(run: RunDirectory, filtered: Sequence[str], forget: bool) -> list[str]:
    """Delete what later stages quote from the data; returns the stages that must run again."""
    stale = []
    for stage in run.manifests():
        if stage in filtered or FIRST not in ancestors(stage, notebooks()):
            continue
        stale.append(stage)
        if stage in TRAINED and not forget:
            _blank(run.notebook(stage))
        else:
            files.remove(run.stage(stage))
            files.remove(run.notebook(stage))
    files.remove(run.path / "book")
    return stale


def _learnt(run: RunDirectory) -> list[str]:
    """The stages of a filtered run that still hold what was learnt from more than is left."""
    found = run.manifests()
    vocabulary = [LAST] if LAST in found and found[LAST].metrics.get(VOCABULARY) else []
    models = [stage for stage in TRAINED if stage in found]
    return vocabulary + [
        stage for stage in models if found[stage].inputs != state.input_digests(notebooks()[stage], run)
    ]


def _blank(path: Path) -> None:
    """Take the outputs out of an executed notebook: they quote the data."""
    if not path.exists():
        return
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    with files.atomic(path) as temporary:
        nbformat.write(notebook, temporary)
