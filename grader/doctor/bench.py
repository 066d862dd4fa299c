"""A worker to be attacked: its submission is one attack, written anew for each question."""

import json
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from grader.doctor import attacks
from grader.records import Isolation
from grader.sandbox import Limits, Worker, work_folder
from grader.suite.runner import HEAVY_PACKAGES

# Small, so that reaching them takes moments and little memory; torch and its like alone need some 450 MiB.
SMALL = Limits(
    call_seconds=3, check_seconds=3, start_seconds=60, memory_mib=800, processes=32, files=64, file_mib=16, log_kib=4
)
PRELOAD = (*sorted(HEAVY_PACKAGES), "pypdf")
RUN = """
import json
ANSWER = json.dumps({attack}(**json.loads({arguments!r})))
class SegMetrics:
    def __init__(self, classes): pass
    def mIoU(self): return 0.0
    def __str__(self): return ANSWER
"""


@dataclass(frozen=True)
class Reply:
    """What an attack told, and what it printed."""

    told: Any
    log: str


class Bench:
    """A worker over a submission of our own.

    Args:
        tier: the isolation to be tried.
        limits: what one attack may use.
        preload: packages to import first; all that a grading may import, if None.
    """

    def __init__(self, tier: Isolation, limits: Limits = SMALL, preload: tuple[str, ...] | None = None) -> None:
        self.tier = tier
        self.limits = limits
        self._preload = PRELOAD if preload is None else preload

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.tree = stack.enter_context(work_folder())
            self.tree.chmod(0o755)
            worker = Worker("doctor's", self.tree, self.tier, self.limits, preload=self._preload)
            self._worker = stack.enter_context(worker)
            self.ready = self._worker.wait_ready()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def ask(self, attack: Callable[..., Any], **arguments: Any) -> Reply:
        """Run a function of `attacks` in a fresh session.

        Raises:
            CallFailed: the attack itself raised, so it proves nothing.
            WorkerLost: it was ended.
        """
        package = self.tree / "dlvc"
        shutil.rmtree(package, ignore_errors=True)
        package.mkdir()
        package.chmod(0o755)
        code = Path(attacks.__file__).read_text(encoding="utf-8")
        code += RUN.format(attack=attack.__name__, arguments=json.dumps(arguments))
        for name, text in (("__init__.py", ""), ("metrics.py", code)):
            (package / name).write_text(text, encoding="utf-8")
            (package / name).chmod(0o644)
        with self._worker.session(seed=0) as session:
            (reading,) = session.call("metrics_run", {"classes": 1, "steps": [{"do": "read"}]})
            return Reply(json.loads(reading["text"]), session.log)
