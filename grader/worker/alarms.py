"""What looks like tampering, noticed from inside for the tutor to read.

Nothing here protects a score: expected values never enter this process, and points never depend on an alarm. It only
tells a person where to look. Two things are watched while a submission runs: whether functions that graders rely on are
still the ones that they were, and whether the submission's own code reaches for what is none of its business. Python's
audit hooks cannot be removed once they are set; a submission that silences them has to do something stranger still.
"""

import importlib
import os
import re
import socket
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from types import CodeType, FrameType
from typing import Any, NamedTuple

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
NAMES = frozenset({"socket.getaddrinfo", "socket.gethostbyname"})
ADDRESSES = frozenset({"socket.connect", "socket.bind", "socket.sendto"})
NETWORK = NAMES | ADDRESSES | {"socket.__new__"}
INTERNET = frozenset({socket.AF_INET, socket.AF_INET6})
INTROSPECTION = frozenset({"gc.get_objects", "gc.get_referrers", "gc.get_referents", "sys._current_frames"})
CONTROL = frozenset({"os.kill", "os.killpg", "resource.setrlimit", "resource.prlimit"})
JUDGED = NETWORK | INTROSPECTION | CONTROL | {"sys._getframe"}
FRAMES = frozenset({"tb_frame", "gi_frame", "cr_frame", "ag_frame"})
SECRETS = re.compile(
    r"/reference/|tests/checks|rubric\.toml|gradesheet|/harness/|grader/(worker|probes)|/proc/(\d+|self)/(mem|environ|fd)"
)
# They ask for frames on behalf of their callers, and read the source of whatever is on the stack.
LOOKERS, READERS = ("inspect", "traceback"), ("linecache", "tokenize")


class Original(NamedTuple):
    """A function as it was: where it stands, what it was, and its code, which can be changed in place."""

    owner: Any
    attribute: str
    value: Any
    code: CodeType | None


class Alarms:
    """Collects alarms from its creation on.

    Args:
        submission: the folder of the submission.
    """

    def __init__(self, submission: str) -> None:
        self._root = submission.rstrip(os.sep) + os.sep
        self._scratch = os.path.realpath(tempfile.gettempdir()) + os.sep
        self._found: dict[tuple[str, str], None] = {}
        self._inside = False
        self._originals = dict(originals())
        sys.addaudithook(self._hear)

    def found(self) -> list[list[str]]:
        """Every alarm once, as [kind, evidence]; what has been replaced is looked up now."""
        for name, original in self._originals.items():
            now = vars(original.owner).get(original.attribute)
            if now is not original.value and not self._is_of_torch(now):
                self._add("patched", f"{name} was replaced")
            elif now is original.value and _code(now) is not original.code:
                self._add("patched", f"{name} was changed in place")
        return [[kind, what[:LENGTH]] for kind, what in self._found][:MOST]

    @staticmethod
    def _is_of_torch(value: Any) -> bool:
        """Whether torch itself put this function there, as it does for its compiler and on every optimizer's class."""
        code = _code(value)
        return code is not None and code.co_filename.startswith(os.path.dirname(sys.modules["torch"].__file__ or "?"))  # noqa: PTH120

    def _add(self, kind: str, what: str) -> None:
        if len(self._found) < MOST:
            self._found[kind, what] = None

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """The audit hook: it runs at every event, so it looks at the event's name first."""
        if event == "open":
            interesting = isinstance(arguments[0], str) and SECRETS.search(arguments[0]) is not None
        elif event == "object.__getattr__":
            interesting = arguments[1] in FRAMES
        else:
            interesting = event in JUDGED
        if not interesting or self._inside:
            return
        self._inside = True
        try:
            self._judge(event, arguments, sys._getframe(1))
        finally:
            self._inside = False

    def _judge(self, event: str, arguments: tuple[Any, ...], frame: FrameType) -> None:
        place = self._place(frame)
        if place is None:
            return
        if event == "open":
            if frame.f_globals.get("__name__") not in READERS:
                self._add("opened", f"{place} opens {arguments[0]}")
        elif event in NETWORK:
            if self._is_to_others(event, arguments, frame):
                self._add("network", f"{place} uses the network: {event}{arguments[1:]!r}")
        elif event in CONTROL:
            if event != "os.kill" or not _is_child(arguments[0]):
                self._add("control", f"{place} calls {event}{arguments!r}")
        elif event in INTROSPECTION or self._asks_itself(event, frame):
            self._add("introspection", f"{place} looks into the interpreter: {event}")

    def _is_to_others(self, event: str, arguments: tuple[Any, ...], frame: FrameType) -> bool:
        """Whether a socket is for more than the submission's own processes, which multiprocessing connects by files.

        A library may look at what the network can do when it is imported: that is not the submission's doing.
        """
        if self._is_imported(frame):
            return False
        if event in NAMES:
            return True
        if event == "socket.__new__":
            return arguments[1] in INTERNET or self._asks_itself(event, frame)
        address = arguments[1]
        if not isinstance(address, (str, bytes)):
            return True
        path = os.fsdecode(address)
        return bool(path.strip("\0")) and path[0] != "\0" and not os.path.realpath(path).startswith(self._scratch)

    def _is_imported(self, frame: FrameType | None) -> bool:
        """Whether an import stands between an event and the submission's innermost line."""
        while frame is not None and not frame.f_code.co_filename.startswith(self._root):
            if frame.f_code.co_filename.startswith("<frozen importlib"):
                return True
            frame = frame.f_back
        return False

    def _asks_itself(self, event: str, frame: FrameType) -> bool:
        """Whether the submission itself asks, perhaps through a module that does nothing else: libraries often do."""
        through = {"sys._getframe": LOOKERS, "socket.__new__": ("socket",)}.get(event, ())
        caller: FrameType | None = frame
        while caller is not None and caller.f_globals.get("__name__") in through:
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


def _is_child(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - as in `_hear`
            return int(file.read().rpartition(")")[2].split()[1]) == os.getpid()
    except (OSError, ValueError, IndexError):
        return False


def _code(value: Any) -> CodeType | None:
    function = getattr(value, "__func__", value)  # of a static method or a class method
    code = getattr(function, "__code__", None)
    return code if isinstance(code, CodeType) else None


@cache
def originals() -> dict[str, Original]:
    """The functions that must stay what they are, by name, as they are when this is asked for the first time.

    The zygote asks, so that no check has to look for them anew.
    """
    return dict(_watched())


def _watched() -> Iterator[tuple[str, Original]]:
    """The functions that must stay what they are, where they stand."""
    for module_name, names in WATCHED.items():
        module = importlib.import_module(module_name)
        for name in names:
            yield f"{module_name}.{name}", _original(module, name)
    for module_name, module in list(sys.modules.items()):
        if module_name.startswith(OURS):
            for name, value in vars(module).items():
                if callable(value) and str(getattr(value, "__module__", "")).startswith(OURS):
                    yield f"{module_name}.{name}", _original(module, name)
                    if isinstance(value, type) and value.__module__ == module_name:
                        methods = [attribute for attribute, method in vars(value).items() if _code(method)]
                        for attribute in methods:
                            yield f"{module_name}.{name}.{attribute}", _original(value, attribute)


def _original(owner: Any, attribute: str) -> Original:
    value = vars(owner)[attribute]
    return Original(owner, attribute, value, _code(value))
