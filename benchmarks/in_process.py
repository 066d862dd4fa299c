"""The same checks by pytest in one process, without isolation: what a grading is held against.

The submission and the solution are imported into the very process that runs the checks. Only a training script gets a
process of its own, a plain fork, since it ends the one that it runs in.

python benchmarks/in_process.py examples/group_7           all parts
python benchmarks/in_process.py examples/group_7 metrics   some
"""

import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from grader.files import CHECKS
from grader.intake import take_in
from grader.records import Isolation
from grader.rubric import load_rubric
from grader.sandbox import Limits
from grader.sandbox.session import Session
from grader.suite.evidence import Evidence
from grader.suite.plugin import GraderPlugin
from grader.suite.pytest_run import run_checks
from grader.worker.serve import answer

ROOT = Path(__file__).resolve().parents[1]
SEED = 1


class Here:
    """What a check asks in place of a worker: the code of a folder, in this process.

    Args:
        name: `submission` or `reference`.
        tree: the folder to import from.
    """

    isolation = Isolation.NONE

    def __init__(self, name: str, tree: Path) -> None:
        self.name = name
        self.tree = tree
        self.limits = Limits()

    def wait_ready(self) -> dict[str, Any]:
        """Tell what a worker tells."""
        return {"cuda": torch.cuda.is_available()}

    @contextmanager
    def session(
        self, seed: int, limits: Limits | None = None, *, spare: bool = False, any_device: bool = False
    ) -> Iterator["Conversation"]:
        """Answer the calls of a check. The spare folder is for known mistakes, for which nobody looks here."""
        del limits, spare, any_device
        yield Conversation(self.tree, seed)


class Conversation:
    """Calls of one check."""

    received = 0

    def __init__(self, tree: Path, seed: int) -> None:
        self._tree = tree
        self._seed = seed
        self.alarms: set[tuple[str, str]] = set()
        self.log = ""

    def call(self, probe: str, arguments: dict[str, Any]) -> Any:
        """Answer, or raise what the code raised."""
        request = {"probe": probe, "seed": self._seed, "any_device": False, "arguments": plain(arguments)}
        if not probe.startswith("scripts_"):
            return Session._value(import_and_answer(self._tree, request))
        said, self.log = in_a_fork(self._tree, request)
        return Session._value(said)


def plain(value: Any) -> Any:
    """Lists for tuples, as a channel delivers them."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def import_and_answer(tree: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Answer with the code of a tree, imported anew if the last answer was another tree's."""
    if sys.path[0] != str(tree):
        for name in [name for name in sys.modules if name.partition(".")[0] == "dlvc"]:
            del sys.modules[name]
        sys.path[:] = [str(tree), *(path for path in sys.path if path not in TREES)]
        TREES.add(str(tree))
    return answer(request, str(tree))


TREES: set[str] = set()


def in_a_fork(tree: Path, request: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The same in a process of its own; also what it printed."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    with tempfile.TemporaryFile() as log, tempfile.TemporaryDirectory() as folder:
        process = context.Process(target=_answer_in, args=(theirs, tree, request, folder, log.fileno()))
        process.start()
        theirs.close()
        said: dict[str, Any] = ours.recv()
        process.join()
        log.seek(0)
        return said, log.read().decode(errors="replace")


def _answer_in(pipe: Any, tree: Path, request: dict[str, Any], folder: str, log: int) -> None:
    for stream in (1, 2):
        os.dup2(log, stream)
    sys.stdout = sys.stderr = os.fdopen(log, "w", buffering=1)  # a notebook's kernel has others than these two
    os.chdir(folder)
    pipe.send(import_and_answer(tree, request))


def run_in_process(source: Path, parts: Sequence[str] = ()) -> Evidence:
    """Run all checks but those that need the machine for themselves, or those of some parts."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        trees = {name: Path(folder, name) for name in ("submission", "reference")}
        submission = take_in(source, trees["submission"])
        take_in(ROOT / "reference", trees["reference"])
        workers: list[Any] = [Here(name, tree) for name, tree in trees.items()]
        before = Path.cwd()
        os.chdir(tempfile.mkdtemp(dir=folder))
        rubric = load_rubric().only(parts) if parts else load_rubric().running("in turn", "beside")
        try:
            return run_checks(GraderPlugin(rubric, submission, *workers, SEED, lambda _: None), CHECKS)
        finally:
            os.chdir(before)


if __name__ == "__main__":
    began = time.perf_counter()
    seen = run_in_process(Path(sys.argv[1]).resolve(), sys.argv[2:])
    told = {"seconds": time.perf_counter() - began, "status": {k: v.status.value for k, v in seen.outcomes.items()}}
    sys.stdout.write(json.dumps(told) + "\n")
