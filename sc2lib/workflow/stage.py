"""A stage as its notebook sees it: parameters, inputs, atomic outputs, and a manifest at the end.

Outputs of an unfinished stage carry the key of what they were made from (``stage.json``): parameters and the files they
name, input digests, code version. When the key is still the same, finished parts are taken over; when it changed, the
old folder is set aside (one generation, under ``superseded/``) and comes back if the key does. A training of weeks must
not start anew because a caption changed: it lies outside (`Stage.lasting`) and knows by itself what it belongs to.
"""

import html
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec, Self

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from sc2lib import files
from sc2lib.errors import ParameterError, StageError, StoppedError
from sc2lib.workflow import manifest as manifests
from sc2lib.workflow import profiles, state, stopping
from sc2lib.workflow.executors import executor
from sc2lib.workflow.lock import RunLock
from sc2lib.workflow.measure import MemorySampler, usable_cores
from sc2lib.workflow.project import RUN_ARGUMENTS, literals, notebooks, root
from sc2lib.workflow.run_directory import RunDirectory

P = ParamSpec("P")
Item = Path | tuple[Path, ...]


class Parameters(Mapping[str, Any]):
    """Resolved knobs of a stage, by attribute or by key; a knob the notebook does not declare is refused."""

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self._values = dict(values)
        self._where = where

    def __getitem__(self, name: str) -> Any:
        if name not in self._values:
            raise ParameterError(f"{self._where} does not declare {name!r}; add it to its parameters cell")
        return self._values[name]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class Stage:
    """One stage of a run; made by `Stage.open` in a notebook's first code cell."""

    def __init__(self, name: str, run: RunDirectory, profile: str, params: dict[str, Any]) -> None:
        self.name = name
        self.profile = profile
        self.params = Parameters(params, f"notebooks/{name}.ipynb")
        self.folder = run.stage(name)
        self._run = run
        self._lock = RunLock(run.path)
        self._paths: dict[str, str] = {}
        self._computed = 0
        self._started = time.perf_counter()
        self._memory = MemorySampler()

    @classmethod
    def open(cls, name: str, profile: str = "smoke", run_dir: str | Path | None = None, **overrides: Any) -> Self:
        """Resolve the parameters, check the stages this one reads, and take over what an earlier try finished.

        Raises ParameterError for an unknown or impossible parameter, StageError when a stage before is missing or
        stale (in the profile ``smoke`` it is made on the spot), RunDirectoryError when the run is in use.
        """
        declared = notebooks()
        if name not in declared:
            raise ParameterError(f"no notebook {name!r}{profiles.nearest(name, declared)} in {root() / 'notebooks'}")
        run = RunDirectory.of(profile, run_dir)
        params = state.resolve(declared[name], profile, overrides)
        stage = cls(name, run, profile, params)
        stage._lock.acquire()
        try:
            run.initialise(profile)
            stage._require_inputs()
            stage._paths = state.path_digests(params)  # now: files that change from here on make the stage stale
            stage._adopt(state.key(declared[name], params, run, stage._paths))
        except BaseException:
            stage.close()
            raise
        stage._memory.start()
        return stage

    @staticmethod
    def parameters(namespace: Mapping[str, Any]) -> dict[str, Any]:
        """The values of the parameters cell (and of papermill's injected one) among a notebook's globals.

        papermill only warns about a parameter the notebook does not have; here it is refused.
        """
        known = (*RUN_ARGUMENTS, *profiles.knobs())
        for source in namespace.get("In", ()):
            if source.startswith("# Parameters\n"):
                for injected in literals(source, "the injected parameters"):
                    if injected not in known:
                        raise ParameterError(f"no parameter {injected!r}{profiles.nearest(injected, known)}")
        return {name: namespace[name] for name in known if name in namespace}

    def manifest(self, stage: str) -> manifests.Manifest:
        """The manifest of a stage of the run; StageError with the command that makes it when there is none."""
        found = manifests.load(self._run.stage(stage))
        if found is None:
            raise StageError(f"{stage} has not run in {self._run.path}; run: {self._run.command(stage)}")
        return found

    def finished_stages(self) -> dict[str, manifests.Manifest]:
        """Every finished stage of the run, in order."""
        return self._run.manifests()

    def input(self, stage: str, name: str) -> Path:
        """A file or folder written by a stage that this one reads."""
        reads = notebooks()[self.name].reads
        if stage not in reads:
            raise StageError(f"{self.name} does not declare that it reads {stage}; add it to metadata sc2.reads")
        path = self._run.stage(stage) / name
        if not path.exists():
            raise StageError(f"{stage} wrote no {name!r}; it wrote {', '.join(self.manifest(stage).outputs)}")
        return path

    def shards(self, *where: str) -> list[Path]:
        """Parquet shards of an own table (`shards("files")`) or of a read one (`shards("01_archive", "files")`)."""
        folder = self.folder / where[0] if len(where) == 1 else self.input(*where)
        found = [folder] if folder.is_file() else sorted(folder.glob("part-*.parquet"))
        if not found:
            raise StageError(f"no shards in {folder}; run: {self._run.command(self.name)}")
        return found

    def read(self, *where: str, columns: Sequence[str] | None = None) -> pa.Table:
        """A whole table in memory, shards in order."""
        tables = [pq.read_table(path, columns=columns, partitioning=None) for path in self.shards(*where)]
        return pa.concat_tables(tables)

    def path(self, name: str) -> Path:
        """A path inside the stage's folder; everything there is hashed into the manifest."""
        return self.folder / name

    def scratch(self, name: str) -> Path:
        """A path for what is no result: checkpoints, logs. It survives an interruption and is not hashed."""
        path = self.folder / "scratch" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def lasting(self, name: str) -> Path:
        """A path for what outlives a change of parameters or code and says itself what it belongs to: a long training.

        It is not hashed, and no run sets it aside or deletes it.
        """
        path = self._run.lasting / self.name / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def map(
        self,
        function: Callable[..., Any],
        inputs: Sequence[Item],
        outputs: Sequence[str] = ("files", "removed"),
        label: str | None = None,
        **keywords: Any,
    ) -> None:
        """Apply `function(*tables, **keywords)` to each input; result k becomes part k of each output table.

        An input is a Parquet path or a tuple of them, each read to a `pa.Table`. The function returns one table, or
        one per output name. Parts that an interrupted run finished are not made again.
        """
        tasks = []
        for index, item in enumerate(inputs):
            targets = [self.path(f"{name}/part-{index:05d}.parquet") for name in outputs]
            if not all(target.exists() for target in targets):
                tasks.append((function, item if isinstance(item, tuple) else (item,), targets, keywords))
        self._execute(_make_part, tasks, label or function.__name__, len(inputs))

    def map_items(self, function: Callable[[Any], Any], items: Sequence[Any], label: str | None = None) -> list[Any]:
        """Apply a function to items on the executor and return the results in order, in memory."""
        return self._execute(function, list(items), label or function.__name__, len(items))

    def write_table(self, name: str, table: pa.Table | Path | Iterable[pa.Table | Path]) -> None:
        """Write an own table, one shard per Arrow table; a Parquet file given by its path is copied."""
        for index, shard in enumerate([table] if isinstance(table, pa.Table | Path) else table):
            target = self.path(f"{name}/part-{index:05d}.parquet")
            if isinstance(shard, Path):
                files.copy(shard, target)
            else:
                files.write_parquet(target, shard)
        self._computed += 1

    def produce(self, name: str, function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Path:
        """Call `function(path, *arguments, **keywords)` to make an own file or folder, unless it is there."""
        path = self.path(name)
        if not path.exists():
            with files.atomic(path) as temporary:
                function(temporary, *arguments, **keywords)
            self._computed += 1
        return path

    def progress(self, label: str, done: float, total: float) -> None:
        """Tell whoever watches the run how far a long step is."""
        self._run.report(self.name, label, done, total)

    def finish(
        self, metrics: Mapping[str, Any] | None = None, measured: Mapping[str, Any] | None = None
    ) -> manifests.Manifest:
        """Hash the outputs and write the manifest, last; `measured` holds what varies from run to run."""
        notebook = notebooks()[self.name]
        usage = {
            "wall_seconds": round(time.perf_counter() - self._started, 3),
            "peak_memory_bytes": self._memory.stop(),
            "cores": usable_cores(),
        }
        result = manifests.Manifest(
            stage=self.name,
            profile=self.profile,
            key=self._key() or "",
            code=state.code_version(notebook),
            params={name: self.params[name] for name in self.params if profiles.knob(name).affects_output},
            inputs=state.input_digests(notebook, self._run),
            outputs=manifests.describe(self.folder, exclude=(manifests.NAME, "stage.json", "scratch")),
            metrics=manifests.plain(dict(metrics or {})),
            measured=manifests.plain(usage | dict(measured or {})),
            packages=manifests.packages(),
            paths=self._paths,
        )
        before = manifests.load(self.folder)
        if before is not None and before.digest == result.digest and not self._computed:
            result = before  # nothing was done this time: the times of the run that did it say more
        result.save(self.folder)
        self.close()
        return result

    def close(self) -> None:
        """Give the run directory back without finishing."""
        self._memory.stop()
        self._lock.release()

    def _execute(self, function: Callable[[Any], Any], items: list[Any], label: str, total: int) -> list[Any]:
        results: list[Any] = [None] * len(items)
        done = total - len(items)
        self.progress(label, done, total)
        runner = executor(self.params["executor"], self.params["workers"])  # starting Ray takes a while
        if items and stopping.requested():
            raise StoppedError(stopping.ADVICE)
        quiet = "SC2_RUNNER" in os.environ or total < 2
        with tqdm(total=total, initial=done, desc=label, leave=False, disable=quiet) as bar:
            for index, result in runner.map(function, items):
                results[index] = result
                done += 1
                self._computed += 1
                bar.update()
                self.progress(label, done, total)
                if done < total and stopping.requested():
                    raise StoppedError(stopping.ADVICE)
        return results

    def _require_inputs(self) -> None:
        known: dict[str, str | None] = {}
        for name in notebooks()[self.name].reads:
            if name not in known:
                known[name] = state.problem(name, self._run, known=known)
            problem = known[name]
            if problem is None:
                continue
            if self.profile != "smoke":
                raise StageError(
                    f"{self.name} reads {name}, which {problem} in {self._run.path}; run: {self._run.command(name)}"
                )
            self._make(name)
            known.clear()

    def _make(self, name: str) -> None:
        """Run a missing predecessor (smoke only), in a process of its own."""
        command = [
            sys.executable,
            "-m",
            "sc2lib.cli",
            "run",
            "--profile",
            self.profile,
            "--needed-by",
            self.name,
        ]
        command += ["--run-dir", str(self._run.path)]
        finished = subprocess.run(command, capture_output=True, text=True, cwd=root(), check=False)
        if finished.returncode:
            raise StageError(
                f"{name} could not be made for {self.name}:\n{(finished.stdout + finished.stderr)[-3000:]}"
            )

    def _adopt(self, key: str) -> None:
        """Keep, set aside or bring back what lies in the stage's folder."""
        if self.folder.exists() and self._key() != key:
            aside, waiting = self._run.superseded(self.name), self._run.superseded(f".tmp-{self.name}")
            files.remove(waiting)
            waiting.parent.mkdir(parents=True, exist_ok=True)
            self.folder.rename(waiting)
            if _key_of(aside) == key:
                aside.rename(self.folder)
            if all(path.name == "stage.json" for path in waiting.iterdir()):  # a try that made nothing
                files.remove(waiting)
            else:
                files.remove(aside)
                waiting.rename(aside)
        self.folder.mkdir(parents=True, exist_ok=True)
        files.clear_temporary(self.folder)
        files.write_text(self.folder / "stage.json", json.dumps({"key": key}) + "\n")

    def _key(self) -> str | None:
        return _key_of(self.folder)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th>{html.escape(name)}</th><td>{html.escape(str(value))}</td></tr>"
            for name, value in {"stage": self.name, "profile": self.profile, **self.params}.items()
        )
        return f'<table class="dataframe">{rows}</table>'

    def __repr__(self) -> str:
        knobs = ", ".join(f"{name}={value!r}" for name, value in self.params.items())
        return f"Stage({self.name!r}, profile={self.profile!r}, {knobs})"


def _key_of(folder: Path) -> str | None:
    try:
        return json.loads((folder / "stage.json").read_text(encoding="utf-8"))["key"]
    except (FileNotFoundError, ValueError, KeyError):
        return None


def _make_part(task: tuple[Callable[..., Any], tuple[Path, ...], list[Path], dict[str, Any]]) -> None:
    function, sources, targets, keywords = task
    tables = [pq.read_table(source, partitioning=None) for source in sources]
    try:
        results = function(*tables, **keywords)
    except Exception as error:
        error.add_note(f"while {function.__module__}.{function.__name__} read {', '.join(map(str, sources))}")
        raise
    results = (results,) if isinstance(results, pa.Table) else tuple(results)
    if len(results) != len(targets):
        raise StageError(f"{function.__name__} returned {len(results)} tables for {len(targets)} outputs")
    for target, table in zip(targets, results, strict=True):
        files.write_parquet(target, table)
