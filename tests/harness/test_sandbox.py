"""The sandbox: whatever a submission does, the trusted side gets an answer or a reason, and nothing is left behind.

The submission of these tests is one file, `dlvc/metrics.py`, written anew for each test; importing it runs the attack.
"""

import os
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from textwrap import dedent
from typing import Any

import psutil
import pytest

from grader.files import ROOT
from grader.records import Isolation
from grader.sandbox import CallFailed, Limits, Worker, WorkerLost, work_folder
from grader.sandbox.tiers import FIRST_WORKER_UID
from tests.harness.hosts import CONFINING, TIERS, require

LIMITS = Limits(call_seconds=3, check_seconds=6, memory_mib=700, processes=64, log_kib=4)
pytestmark = pytest.mark.also_ordinary_user
CAP_DAC_READ_SEARCH = 1 << 2
ANSWERS = """
RESULT = {value}
class SegMetrics:
    def __init__(self, classes): pass
    def mIoU(self): return 0.5
    def __str__(self): return str(RESULT)
"""

Bench = tuple[Worker, Path]
confining = pytest.mark.parametrize("bench", CONFINING, indirect=True)


@pytest.fixture(scope="module")
def benches() -> Iterator[Callable[[Isolation], Bench]]:
    """One worker a tier, started when it is first asked for."""
    started: dict[Isolation, Bench] = {}
    with ExitStack() as stack:

        def get(tier: Isolation) -> Bench:
            if tier not in started:
                require(tier)
                tree = stack.enter_context(work_folder())
                tree.chmod(0o755)
                started[tier] = stack.enter_context(Worker("submission", tree, tier, LIMITS)), tree
            return started[tier]

        yield get


@pytest.fixture(params=TIERS)
def bench(request: pytest.FixtureRequest, benches: Callable[[Isolation], Bench]) -> Bench:
    """A worker and the tree that it imports from, on each tier."""
    return benches(request.param)


def write(tree: Path, code: str) -> None:
    """Make `code` the submission."""
    package = tree / "dlvc"
    shutil.rmtree(package, ignore_errors=True)
    package.mkdir()
    for name, text in (("__init__.py", ""), ("metrics.py", dedent(code))):
        (package / name).write_text(text)
        (package / name).chmod(0o644)


def ask(bench: Bench, code: str, value: str = "0.5") -> Any:
    """Import `code` in a fresh session and read `value`, an expression."""
    worker, tree = bench
    write(tree, dedent(code) + ANSWERS.format(value=value))
    with worker.session(seed=1) as session:
        return session.call("metrics_run", {"classes": 3, "steps": [{"do": "read"}]})[0]["text"]


def lost(bench: Bench, code: str) -> WorkerLost:
    """Run a submission that gives no answer, then an honest one: the first must not touch the second."""
    with pytest.raises(WorkerLost) as caught:
        ask(bench, code)
    assert ask(bench, "") == "0.5"
    return caught.value


def test_an_honest_submission_is_answered(bench: Bench) -> None:
    """A call returns what the submission computes."""
    assert ask(bench, "") == "0.5"


def test_sessions_do_not_see_each_other(bench: Bench) -> None:
    """What one check leaves in modules, torch's settings and files is gone in the next."""
    leave = "import builtins, torch; builtins.left = 1; torch.set_default_dtype(torch.float64)"
    leave += "; [open(name, 'w').close() for name in ('left', '../left')]"
    look = "import builtins, os, torch"
    value = "(hasattr(builtins, 'left'), torch.get_default_dtype() == torch.float64, os.listdir('.'), os.listdir('..'))"
    assert ask(bench, leave) == "0.5"
    seen = ask(bench, look, value)
    assert seen.startswith("(False, False, ['dlvc'], ['tmp")  # the submission, as links, and the check's own folder
    assert "left" not in seen


@pytest.mark.parametrize(
    ("code", "kind", "says"),
    [
        pytest.param("while True: pass", "time", "within 3 s", id="endless loop"),
        pytest.param("import time; time.sleep(1000)", "time", "within 3 s", id="sleep"),
        pytest.param(
            "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(1000)",
            "time",
            "within 3 s",
            id="ignores SIGTERM",
        ),
        pytest.param("import os; os._exit(0)", "exit", "exit code 0", id="exits with 0"),
        pytest.param("import os; os.abort()", "signal", "SIGABRT", id="abort"),
        pytest.param("import ctypes; ctypes.string_at(0)", "signal", "SIGSEGV", id="segmentation fault"),
        pytest.param("import os; os.closerange(3, 100)", "exit", "exit code", id="closes its descriptors"),
        pytest.param(
            "import os\nfor fd in range(3, 50):\n  try: os.write(fd, b'x' * 64)\n  except OSError: pass",
            "garbage",
            "not readable",
            id="garbage on the channel",
        ),
        pytest.param(
            "import torch\nkept = [torch.ones(25_000_000) for _ in range(12)]\nimport time; time.sleep(1000)",
            "memory",
            "over the limit of 700 MiB",
            id="too much memory",
        ),
    ],
)
def test_no_answer_has_a_reason(bench: Bench, code: str, kind: str, says: str) -> None:
    """A hang, a death, garbage and greed are told apart, and the next check is not touched."""
    loss = lost(bench, code)
    assert loss.kind == kind
    assert says in loss.message


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("import sys; sys.exit(0)", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("def f(): f()\nf()", "RecursionError"),
        ("import torch; torch.empty(10 ** 14)", "RuntimeError"),
        ("x = = 1", "SyntaxError"),
    ],
)
def test_what_the_submission_raises_is_its_answer(bench: Bench, code: str, kind: str) -> None:
    """An exception, an exit and a syntax error come back as such, with the submission's own line."""
    with pytest.raises(CallFailed) as caught:
        ask(bench, code)
    assert caught.value.error.type == kind
    assert caught.value.error.where is not None
    assert caught.value.error.where.startswith("dlvc/metrics.py:")


def test_an_exception_that_cannot_be_printed_is_still_told(bench: Bench) -> None:
    """A message that raises when it is read does not keep the answer from coming."""
    with pytest.raises(CallFailed) as caught:
        ask(bench, "class Odd(Exception):\n    def __str__(self): raise ValueError\nraise Odd")
    assert caught.value.error.type == "Odd"


def test_prints_are_kept_up_to_a_cap(bench: Bench) -> None:
    """Printing megabytes neither blocks a submission nor fills the memory: the end is kept."""
    worker, tree = bench
    chatty = "import sys\nprint('x' * 3_000_000)\nprint('the end', file=sys.stderr, flush=True)"
    write(tree, chatty + ANSWERS.format(value=1))
    with worker.session(seed=1) as session:
        session.call("metrics_run", {"classes": 3, "steps": [{"do": "read"}]})
        assert "the end" in session.log
        assert len(session.log) <= LIMITS.log_kib * 1024


def test_a_forked_daemon_dies_with_its_check(bench: Bench) -> None:
    """A process that detached itself twice is gone once the check has ended."""
    mark = f"9{os.getpid()}{time.monotonic_ns()}"
    code = f"""
        import os, subprocess
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.execvp("sleep", ["sleep", "{mark}"])
            os._exit(0)
    """
    assert ask(bench, code) == "0.5"
    assert not [p for p in psutil.process_iter(["cmdline"]) if mark in (p.info["cmdline"] or ())]


def test_what_is_stopped_uses_no_processor(bench: Bench) -> None:
    """While a worker is stopped nothing of it runs, also a process that a check has left behind; then all go on."""
    code = "import os\nif os.fork() == 0:\n    while True: pass"
    worker, tree = bench
    write(tree, code + ANSWERS.format(value="1"))
    with worker.session(seed=1) as session:
        session.call("metrics_run", {"classes": 3, "steps": [{"do": "read"}]})
        with worker.stopped():
            before = worker.processor_seconds()
            time.sleep(0.5)
            assert worker.processor_seconds() == before
        give_up = time.monotonic() + 20
        while worker.processor_seconds() == before:
            assert time.monotonic() < give_up, "it does not go on"


def test_a_fork_bomb_is_contained(bench: Bench) -> None:
    """Processes that multiply end in the limit or with the check, and the worker still serves."""
    code = "import os, time\ntry:\n    for _ in range(500): os.fork()\nexcept OSError: pass\ntime.sleep(100)"
    with pytest.raises((WorkerLost, CallFailed)):
        ask(bench, code)
    assert ask(bench, "") == "0.5"


def test_killing_the_parent_costs_nobody_else(bench: Bench) -> None:
    """A submission that kills everything it may kill loses at most its own check."""
    code = "import os, signal\ntry: os.kill(os.getppid(), signal.SIGKILL)\nexcept OSError: pass"
    with suppress(WorkerLost):
        ask(bench, code)
    assert ask(bench, "") == "0.5"


@confining
@pytest.mark.parametrize("path", ["reference/dlvc/metrics.py", "tests/checks/test_metrics.py", "grader/rubric.toml"])
def test_the_solution_and_the_checks_cannot_be_read(bench: Bench, path: str) -> None:
    """Neither the solution, nor the checks, nor the rubric can be opened from inside."""
    assert (ROOT / path).is_file()
    with pytest.raises(CallFailed) as caught:
        ask(bench, f"open({str(ROOT / path)!r})")
    assert caught.value.error.type in ("PermissionError", "FileNotFoundError")


@confining
@pytest.mark.parametrize("name", ["/etc/passwd", "/root", "/home", "/var/log"])
def test_the_host_cannot_be_looked_at(bench: Bench, name: str) -> None:
    """Files and folders of the host that Python has no need of are not there or closed."""
    look = f"import os\nread = os.listdir if os.path.isdir({name!r}) else open\n"
    look += f"try: found = list(read({name!r}))\nexcept (PermissionError, FileNotFoundError): found = []"
    shown = ask(bench, look, "' '.join(found)").split()
    needed = {Path(prefix).parts[2] for prefix in (sys.prefix, sys.base_prefix)}
    assert set(shown) <= needed


@confining
def test_nothing_can_be_written_outside(bench: Bench, tmp_path: Path) -> None:
    """A file in the submission, in the harness or anywhere on the host cannot be written.

    Under bubblewrap /tmp is the sandbox's own: what is bound below it lies in folders that an ordinary user owns there.
    """
    tmp_path.chmod(0o777)
    for folder in (bench[1], ROOT, tmp_path, Path.home(), Path(sys.prefix)):
        try:
            ask(bench, f"open({str(folder / 'planted')!r}, 'w')")
        except CallFailed as caught:
            refused = caught.error.type in ("PermissionError", "FileNotFoundError", "OSError")
        else:
            private = bench[0].isolation is Isolation.BUBBLEWRAP and folder.is_relative_to("/tmp")
            refused = private and os.getuid() != 0
        assert refused, folder
        assert not (folder / "planted").exists()


CONNECTIONS = {
    "a UDP packet": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {port}))",
    "a socket file": "socket.socket(socket.AF_UNIX).connect({file!r})",
    "an abstract socket": "socket.socket(socket.AF_UNIX).connect({abstract!r})",
}


@confining
@pytest.mark.parametrize("attempt", CONNECTIONS)
def test_no_service_of_the_host_can_be_talked_to(bench: Bench, attempt: str, tmp_path: Path) -> None:
    """Datagrams, socket files such as a container engine's, and abstract sockets do not reach the host."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
        socket.socket(socket.AF_UNIX) as named,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        datagrams.bind(("127.0.0.1", 0))
        named.bind(str(tmp_path / "s"))
        abstract.bind(f"\0grader-{os.getpid()}")
        named.listen()
        abstract.listen()
        name = abstract.getsockname().decode()
        places = {"port": datagrams.getsockname()[1], "file": named.getsockname(), "abstract": name}
        with suppress(CallFailed):
            ask(bench, f"import socket\n{CONNECTIONS[attempt].format(**places)}")
        for server in (datagrams, named, abstract):
            server.settimeout(0.2)
            with pytest.raises(TimeoutError):
                server.recvfrom(1) if server is datagrams else server.accept()


@confining
@pytest.mark.parametrize("call", ["libc.unshare(0x10000000)", "libc.ptrace(0, 0, 0, 0)", "libc.mount(0, 0, 0, 0, 0)"])
def test_calls_into_the_kernel_that_nobody_needs_are_refused(bench: Bench, call: str) -> None:
    """A process cannot make a user namespace, trace another one or mount."""
    code = "import ctypes; libc = ctypes.CDLL(None, use_errno=True)"
    assert ask(bench, code, f"({call}, ctypes.get_errno())") == "(-1, 13)"


@confining
def test_there_is_no_network(bench: Bench) -> None:
    """A server on this very host cannot be reached."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(CallFailed) as caught:
            ask(bench, f"import socket; socket.create_connection(('127.0.0.1', {port}), timeout=2)")
    assert "OSError" in caught.value.error.bases


def test_the_environment_is_our_own(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the user's reaches the submission."""
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    assert ask(bench, "import os", "sorted(k for k in os.environ if 'SECRET' in k)") == "[]"


@confining
def test_the_worker_has_no_privileges(bench: Bench) -> None:
    """Whoever started the grader, the worker can gain nothing, and at most read what Landlock lets it read."""
    code = "import re; status = open('/proc/self/status').read()"
    value = "(re.findall('CapBnd:\\s+(\\w+)', status), re.findall('NoNewPrivs:\\s+(\\d)', status))"
    bounding, new_privileges = eval(ask(bench, code, value))
    assert new_privileges == ["1"]
    if os.geteuid() == 0:
        assert int(bounding[0], 16) & ~CAP_DAC_READ_SEARCH == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a worker another user")
def test_started_as_root_the_worker_is_somebody_else(bench: Bench) -> None:
    """The worker of a grader that was started by root has a user id of its own, to which every limit applies."""
    assert int(ask(bench, "import os", "os.getuid()")) >= FIRST_WORKER_UID


@pytest.mark.parametrize("tier", TIERS)
def test_stopping_leaves_no_process(tier: Isolation, tmp_path: Path) -> None:
    """After a worker has been stopped, nothing of its tree is running."""
    require(tier)
    before = set(psutil.Process().children(recursive=True))
    with Worker("submission", tmp_path, tier, LIMITS) as worker:
        worker.wait_ready()
        family = set(psutil.Process().children(recursive=True)) - before
        assert family
    assert not psutil.wait_procs(family, timeout=5)[1]
