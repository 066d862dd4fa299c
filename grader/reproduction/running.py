"""Running experiments: each once, after what it starts from, and never twice once it has finished.

A finished experiment leaves `finished.json` in its folder, written last and renamed into place: what it was trained
with. Whatever has no such file, or one that does not fit what is asked for now, is trained anew from its beginning.
"""

import csv
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from grader.errors import UsageError
from grader.experiments.curves import history_epochs, run_of_history
from grader.experiments.plans import LAST_MODEL, Experiment
from grader.files import REFERENCE, ROOT, write_atomically
from grader.records import Run, Scale
from grader.reproduction.sources import Source
from grader.sandbox.limits import usable_cores
from grader.sandbox.processes import kill_tree
from grader.sandbox.tiers import FOR_TORCH

FINISHED, HISTORY, LOG = "finished.json", "history.csv", "log.txt"
LOOK_SECONDS: Final = 0.3
MOST_LOADERS: Final = 8  # more processes do not load 64 x 64 pixels any faster: the disk or the GPU is what waits

Device = Literal["auto", "cpu", "cuda"]
Watch = Callable[[int, float | None], None]
"""Is told how many epochs have ended, and the latest validation mIoU."""


class State(StrEnum):
    """How an experiment stands at the end."""

    FINISHED = "finished"
    KEPT = "finished before"
    SKIPPED = "skipped"
    FAILED = "failed"


class Ending(NamedTuple):
    """How an experiment ended; `run` holds its curves if it is finished, `reason` says why it is not."""

    state: State
    run: Run | None = None
    seconds: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Plan:
    """What to train, and with what.

    Args:
        experiments: in an order in which each finds what it starts from.
        scale: which of their settings to take.
        source: the data.
        output: the folder of all results; those of a seed are in a folder of its own.
        seeds: of the trainings.
        device: handed on to the scripts.
        scripts: the folder of the solution.
    """

    experiments: tuple[Experiment, ...]
    scale: Scale
    source: Source
    output: Path
    seeds: tuple[int, ...] = (0,)
    device: Device = "auto"
    scripts: Path = REFERENCE

    def results(self, seed: int) -> Path:
        """Return the folder in which each experiment has its output, in a folder of its name."""
        return self.output.resolve() / f"seed-{seed}"


@contextmanager
def alone_in(folder: Path) -> Iterator[int]:
    """Hold a folder's lock, whose descriptor is handed on to the trainings: while one lives, the folder is taken.

    Raises:
        UsageError: another run, or a training of one that was killed, is at work in the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"Another run is at work in {str(folder)!r}. Wait for it, or give another folder."
            ) from None
        yield lock.fileno()


def run_experiment(
    plan: Plan, experiment: Experiment, seed: int, earlier: Mapping[str, Ending], lock: int, watch: Watch
) -> Ending:
    """Run one experiment for one seed, unless it has finished before.

    Args:
        plan: what it belongs to.
        experiment: what to run.
        seed: of the training.
        earlier: how the experiments before it ended, for the same seed.
        lock: the descriptor that `alone_in` gave.
        watch: is told of the progress.
    """
    if reason := obstacle(plan, experiment, earlier):
        return Ending(State.SKIPPED, reason=reason)
    folder = plan.results(seed) / experiment.name
    wanted = identity(plan, experiment, seed)
    if (before := _finished(folder, wanted, experiment.name)) is not None:
        return before
    _clear(folder)
    began = time.monotonic()
    code = _train(_command(plan, experiment, seed), folder, lock, watch)
    seconds = round(time.monotonic() - began, 1)
    if code != 0:
        return _failure(experiment, folder, code)
    try:
        run = read_history(folder / HISTORY, experiment.name)
    except (OSError, ValueError) as error:
        return Ending(State.FAILED, reason=f"no use can be made of its history: {error}")
    marker = {**wanted, "seconds": seconds}
    write_atomically(folder / FINISHED, json.dumps(marker, indent=1).encode())
    return Ending(State.FINISHED, run, seconds)


def obstacle(plan: Plan, experiment: Experiment, earlier: Mapping[str, Ending]) -> str | None:
    """Say why an experiment cannot even be begun, if so."""
    if missing := plan.source.missing(experiment):
        return missing
    if experiment.after is not None and earlier[experiment.after].run is None:
        return f"{experiment.after}, which it starts from, has not finished"
    return None


def identity(plan: Plan, experiment: Experiment, seed: int) -> dict[str, Any]:
    """Return everything that a result depends on, ready for JSON."""
    start = plan.results(seed) / experiment.after / LAST_MODEL if experiment.after else None
    return {
        "script": [experiment.script, *experiment.flags],
        "settings": experiment.settings(plan.scale).model_dump(),
        "data": plan.source.identity,
        "seed": seed,
        "device": plan.device,
        "solution": digest_of_code(plan.scripts),
        "start": hashlib.sha256(start.read_bytes()).hexdigest() if start else None,
    }


def digest_of_code(folder: Path) -> str:
    """Return a digest of all Python files below a folder, names included."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _finished(folder: Path, wanted: Mapping[str, Any], name: str) -> Ending | None:
    try:
        found = json.loads((folder / FINISHED).read_text(encoding="utf-8"))
        seconds = float(found.pop("seconds"))
        run = read_history(folder / HISTORY, name)
    except (OSError, ValueError, KeyError, AttributeError):
        return None
    return Ending(State.KEPT, run, seconds) if found == wanted else None


def _clear(folder: Path) -> None:
    """Empty a folder of an earlier training, its marker first, so that half a removal leaves nothing finished."""
    (folder / FINISHED).unlink(missing_ok=True)
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)


def _command(plan: Plan, experiment: Experiment, seed: int) -> list[str]:
    """Return the command line of a training, that ends with this process."""
    loaders = min(usable_cores() - 1, MOST_LOADERS) if plan.scale == "full" else 0
    script = plan.scripts.resolve() / experiment.script
    arguments = experiment.arguments(plan.scale, plan.source.root, plan.results(seed))
    extra = ("--seed", seed, "--device", plan.device, "--num-workers", loaders)
    return [sys.executable, "-m", "grader.experiments.child_process", str(script), *arguments, *map(str, extra)]


def _train(command: list[str], folder: Path, lock: int, watch: Watch) -> int:
    """Run a training to its end and return its exit code; whatever ends us, ends it and its processes too."""
    with (folder / LOG).open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own script
            command,
            cwd=ROOT,
            env={**FOR_TORCH, **os.environ},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=(lock,),
            start_new_session=True,  # Ctrl-C is ours to act upon
        )
        try:
            while process.poll() is None:
                watch(*_progress(folder / HISTORY))
                try:
                    process.wait(LOOK_SECONDS)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            if process.poll() is None:
                kill_tree(process.pid)
                process.wait()
    return process.returncode


def _failure(experiment: Experiment, folder: Path, code: int) -> Ending:
    """Tell a failure from weights that cannot be had here, which is nobody's."""
    lines = (folder / LOG).read_text(encoding="utf-8", errors="replace").splitlines()
    told = next((line for line in lines if line.startswith("error: ")), None)
    last = next((line for line in reversed(lines) if line.strip()), "it printed nothing")
    reason = told.removeprefix("error: ") if told else f"exit code {code}: {last.strip()}"
    if experiment.downloads and "cannot fetch" in reason:
        return Ending(
            State.SKIPPED, reason=f"not to be had here: {experiment.downloads} ({reason.rpartition(': ')[2]})"
        )
    return Ending(State.FAILED, reason=reason)


def _progress(history: Path) -> tuple[int, float | None]:
    """Return epochs and latest validation mIoU of a history that may be half written."""
    try:
        with history.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        validated = [float(row["val_miou"]) for row in rows if row["val_miou"]]
    except (OSError, ValueError, KeyError):
        return 0, None
    return len(rows), validated[-1] if validated else None


def read_history(path: Path, name: str) -> Run:
    """Read a script's `history.csv` as the run `name`.

    Raises:
        ValueError: it is none, or holds what is no loss or mIoU; the message says where.
        OSError: it cannot be read.
    """
    with path.open(encoding="utf-8", newline="") as file:
        return run_of_history(history_epochs(csv.reader(file)), name, source=path.name)
