"""A hostile submission: the reference with something done to it, and what a perfect grader makes of that."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from textwrap import dedent, indent

from grader.records import Isolation
from tests.submissions.planted import NOT_HANDED_IN, REFERENCE

METRICS_FILE = "dlvc/metrics.py"
HEAD_FILE = "dlvc/models/segformer_head.py"
MARK = "MARK"

METRIC_CHECKS = (
    "metrics.worked_example",
    "metrics.nothing_seen",
    "metrics.text",
    "metrics.rejects_labels",
    "metrics.inputs_unchanged",
)
OTHER_CHECKS = ("segformer.patch_embed_grid", "handin.layout")
CHECKS = (*METRIC_CHECKS, *OTHER_CHECKS)
ONE_METRIC = ("metrics.worked_example", *OTHER_CHECKS)
READERS = ("metrics.worked_example", "metrics.nothing_seen", "metrics.text", *OTHER_CHECKS)
HEAD_CHECKS = ("metrics.worked_example", "segformer.patch_embed_grid", "segformer.head_output", "handin.layout")
HEAD = frozenset({"segformer.head_output"})
ALL_METRICS = frozenset(METRIC_CHECKS)

CONFINING = (Isolation.BUBBLEWRAP, Isolation.LANDLOCK)
# Long enough for an honest answer on a busy machine; whoever is to be timed out waits no longer than HASTE.
PATIENCE_SECONDS, HASTE_SECONDS = 20.0, 1.5


class Verdict(StrEnum):
    """What becomes of a submission, by the catalogue's letters."""

    FAILED = "F: that check failed, the others were scored"
    KILLED = "K: timed out or over a limit, killed, the others were scored"
    FLAGGED = "T: no effect on the score, flagged for the tutor"
    GRADED = "P: graded as if nothing had been done"
    OPEN = "unscored, with the reason, and left to the tutor; the others were scored"


@dataclass(frozen=True)
class Case:
    """A case of the table.

    Args:
        name: the test's id.
        line: what it stands for in the catalogue.
        verdict: what has to become of it.
        code: put at the end of `file`; the word MARK in it is unique to a run.
        file: of the submission.
        change: a change of the whole folder, where code at the end of a file cannot say it.
        checks: those that are run; the ones that do not fail must pass.
        fails: those that have to fail, of `checks`.
        unscored: those that nobody can judge.
        says: stands in the finding of every check that fails or is unscored.
        flags: kinds of flags that the tutor must see; where nothing is tampered with, no other kind may be there.
        tiers: where it is run.
        seconds: time limit of a call and of a check.
    """

    name: str
    line: str
    verdict: Verdict
    code: str = ""
    file: str = METRICS_FILE
    change: Callable[[Path], None] | None = None
    checks: tuple[str, ...] = CHECKS
    fails: frozenset[str] = frozenset()
    unscored: frozenset[str] = frozenset()
    says: str = ""
    flags: frozenset[str] = frozenset()
    tiers: tuple[Isolation, ...] = CONFINING
    seconds: float = PATIENCE_SECONDS

    @property
    def tampers(self) -> bool:
        """Whether it does what a tutor may be told of."""
        return self.line.startswith("Tampering")

    def make(self, folder: Path, mark: str, base: Path = REFERENCE) -> Path:
        """Build the submission below an empty `folder`; the folder that is handed in."""
        source = folder / "group_7"
        shutil.copytree(base, source, ignore=NOT_HANDED_IN)
        if self.code:
            add(source, self.file, self.code.replace(MARK, mark))
        if self.change is not None:
            self.change(source)
        return source


def add(folder: Path, file: str, code: str) -> None:
    """Put code at the end of a file, which is made if need be."""
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    path.write_text(f"{before}\n{dedent(code).strip()}\n", encoding="utf-8")


def graded(line: str, name: str, code: str = "", **more: object) -> Case:
    """A submission that gets full points and no flag."""
    return Case(name, line, Verdict.GRADED, code, **more)


def flagged(line: str, name: str, kind: str, code: str, **more: object) -> Case:
    """A submission that gets what it would get anyway, and a flag."""
    return Case(name, line, Verdict.FLAGGED, code, flags=frozenset({kind}), **more)


def failed(line: str, name: str, code: str, says: str, **more: object) -> Case:
    """A submission whose metric fails, all checks of it if not said otherwise."""
    fails = more.pop("fails", frozenset(more.get("checks", CHECKS)) & ALL_METRICS)
    return Case(name, line, Verdict.FAILED, code, says=says, fails=fails, **more)


def killed(line: str, name: str, code: str, says: str = "time limit", **more: object) -> Case:
    """A submission whose metric is killed in one check."""
    more = {"seconds": HASTE_SECONDS, "checks": ONE_METRIC, **more}
    fails = frozenset(more["checks"]) & ALL_METRICS
    return Case(name, line, Verdict.KILLED, code, says=says, fails=fails, **more)


def in_update(code: str) -> str:
    """Code that is run at every update of the metric, before the batch is counted."""
    return _wrapped("SegMetrics", "update", "prediction, target", before=code)


def miou_is(expression: str) -> str:
    """A metric whose mIoU is an expression, of `value`, the right one."""
    return _wrapped("SegMetrics", "mIoU", "", after=f"return {expression}")


def number_is(expression: str) -> str:
    """A metric whose mIoU is an expression, of `value`, the right one, while its text stays what it was."""
    return f"{miou_is(expression)}\nSegMetrics.__str__ = lambda self: f'mIoU: {{_right_mIoU(self):.2f}}'"


def head_is(expression: str) -> str:
    """A head that gives an expression, of `value`, the right scores."""
    return _wrapped("SegFormerHead", "forward", "inputs", after=f"return {expression}")


def _wrapped(owner: str, method: str, arguments: str, before: str = "", after: str = "return value") -> str:
    lines = [
        f"import os, sys, time\nimport torch\n_right_{method} = {owner}.{method}",
        f"def _odd_{method}(self, {arguments}):",
        indent(dedent(before).strip() or "pass", "    "),
        f"    value = _right_{method}(self, {arguments})",
        indent(dedent(after).strip(), "    "),
        f"{owner}.{method} = _odd_{method}",
    ]
    return "\n".join(lines)
