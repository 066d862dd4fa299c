"""What looks like tampering, noticed from inside for the tutor to read.

Nothing here protects a score: expected values never enter this process, and points never depend on an alarm. It only
tells a person where to look. Two things are watched while a submission runs: whether functions that graders rely on are
still the ones that they were, and whether the submission's own code reaches for what is none of its business. Python's
audit hooks cannot be removed once they are set; a submission that silences them has to do something stranger still.
"""

import importlib
import os
import re
import sys
from collections.abc import Callable
from types import FrameType, ModuleType
from typing import Any

MOST = 20
LENGTH = 300

WATCHED = {
    "torch": ("allclose", "equal", "isclose", "manual_seed"),
    "torch.testing": ("assert_close",),
    "torch.cuda": ("synchronize",),
    "numpy": ("allclose", "array_equal", "isclose"),
    "time": ("time", "perf_counter", "monotonic", "sleep"),
    "os": ("_exit",),
    "sys": ("exit",),
}
OURS = ("grader.worker.", "grader.probes.")
NETWORK = frozenset({"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"})
INTROSPECTION = frozenset({"gc.get_objects", "gc.get_referrers", "gc.get_referents"})
CONTROL = frozenset({"os.kill", "os.killpg", "resource.setrlimit", "resource.prlimit"})
SECRETS = re.compile(
    r"/reference/|tests/checks|rubric\.toml|gradesheet|/harness/|grader/(worker|probes)|/proc/(\d+|self)/(mem|environ|fd)"
)


class Alarms:
    """Collects alarms from its creation on.

    Args:
        submission: the folder of the submission.
    """

    def __init__(self, submission: str) -> None:
        self._root = submission.rstrip(os.sep) + os.sep
        self._found: dict[tuple[str, str], None] = {}
        self._inside = False
        self._originals = _snapshot()
        sys.addaudithook(self._hear)

    def found(self) -> list[list[str]]:
        """Every alarm once, as [kind, evidence]; what has been replaced is looked up now."""
        for name, (owner, attribute, original) in self._originals.items():
            if getattr(owner, attribute, None) is not original:
                self._add("patched", f"{name} was replaced")
        return [[kind, what[:LENGTH]] for kind, what in self._found][:MOST]

    def _add(self, kind: str, what: str) -> None:
        if len(self._found) < MOST:
            self._found[kind, what] = None

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """The audit hook: it runs at every event, so it looks at the event's name first."""
        if event == "open":
            interesting = isinstance(arguments[0], str) and SECRETS.search(arguments[0]) is not None
        else:
            interesting = event == "sys._getframe" or event in NETWORK or event in INTROSPECTION or event in CONTROL
        if not interesting or self._inside:
            return
        self._inside = True
        try:
            self._judge(event, arguments, sys._getframe(1))
        finally:
            self._inside = False

    def _judge(self, event: str, arguments: tuple[Any, ...], frame: FrameType) -> None:
        if event == "sys._getframe" and not self._direct(frame):
            return
        place = self._place(frame)
        if place is None:
            return
        if event == "open":
            self._add("opened", f"{place} opens {arguments[0]}")
        elif event in NETWORK:
            self._add("network", f"{place} uses the network: {event}{arguments[1:]!r}")
        elif event in CONTROL:
            self._add("control", f"{place} calls {event}{arguments!r}")
        else:
            self._add("introspection", f"{place} looks into the interpreter: {event}")

    def _direct(self, frame: FrameType) -> bool:
        """Whether the submission itself asks for a frame, perhaps through `inspect`: libraries do it all the time."""
        caller: FrameType | None = frame
        while caller is not None and caller.f_globals.get("__name__") in ("inspect", "traceback"):
            caller = caller.f_back
        return caller is not None and caller.f_code.co_filename.startswith(self._root)

    def _place(self, frame: FrameType | None) -> str | None:
        """The submission's innermost line on the stack."""
        while frame is not None:
            name = frame.f_code.co_filename
            if name.startswith(self._root):
                return f"{name.removeprefix(self._root)}:{frame.f_lineno}"
            frame = frame.f_back
        return None


def _snapshot() -> dict[str, tuple[ModuleType, str, Callable[..., Any]]]:
    """The functions that must stay what they are, by name, where they live."""
    watched = {
        f"{module}.{name}": (importlib.import_module(module), name) for module in WATCHED for name in WATCHED[module]
    }
    for module_name, module in list(sys.modules.items()):
        if module_name.startswith(OURS):
            for name, value in vars(module).items():
                if callable(value) and getattr(value, "__module__", None) == module_name:
                    watched[f"{module_name}.{name}"] = (module, name)
    return {name: (owner, attribute, getattr(owner, attribute)) for name, (owner, attribute) in watched.items()}
