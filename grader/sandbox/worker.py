"""The trusted side's handle on one worker: start it, open a session for a check, call probes, end it for good."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from grader.errors import GraderFault
from grader.records import Isolation
from grader.sandbox.failures import WorkerLost
from grader.sandbox.limits import Limits
from grader.sandbox.processes import kill_tree, last_lines, processor_seconds, stopped
from grader.sandbox.session import Session
from grader.sandbox.tiers import ENVIRONMENT, FIRST_WORKER_UID, plan
from grader.sandbox.watchdog import Watchdog
from grader.worker.channel import Channel, ChannelClosed, FrameCaps, FrameTimeout, ProtocolError
from grader.worker.cleaning import remove

REAP_SECONDS = 5.0
UIDS = 1 << 29


class Worker:
    """A zygote in its sandbox, started again when it is lost.

    Args:
        name: how messages call it, "submission" or "reference".
        tree: the folder that the code is imported from.
        isolation: the tier to run under.
        limits: what a check may use.
        preload: packages, none of the submission's, to import before any check.
        room: the folder to make scratch folders in, the system's temporary one if not given.
        spare: another folder, which children import from that are asked for with `spare`: for the grader's own code,
            since nothing separates the two.
    """

    def __init__(
        self,
        name: str,
        tree: Path,
        isolation: Isolation,
        limits: Limits,
        preload: tuple[str, ...] = (),
        room: Path | None = None,
        spare: Path | None = None,
    ) -> None:
        self.name = name
        self.limits = limits
        self.tree = tree
        self.spare = spare
        self.isolation = isolation
        self._preload = preload
        self._room = room
        self._process: subprocess.Popen[bytes] | None = None
        self._ready: dict[str, Any] | None = None
        self._watchdog: Watchdog | None = None
        self._last_status: int | None = None
        self._child_running = False
        # For who measures what they change; both count from the next start.
        self.threads = 1
        self.python = sys.executable

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the zygote, if it does not run, without waiting: torch's import goes on beside the caller's work."""
        if self._process is not None:
            return
        self._scratch = Path(tempfile.mkdtemp(prefix="grader-scratch-", dir=self._room))
        if self.spare is not None:
            self.spare.mkdir(exist_ok=True)
        design = plan(
            self.isolation,
            (self.tree,) if self.spare is None else (self.tree, self.spare),
            self._scratch,
            self.limits,
            FIRST_WORKER_UID + secrets.randbelow(UIDS),
            self.python,
        )
        ours, theirs = socket.socketpair()
        self._start_log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._process = subprocess.Popen(  # noqa: S603 - a command of our own making
            [*design.argv, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=self._start_log,
            stderr=self._start_log,
            env=ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
        theirs.close()
        self._control_socket = ours
        self._control = Channel(ours, FrameCaps())
        self._ready = None
        settings = {
            "trees": list(design.trees),
            "scratch": design.scratch,
            "wipe": list(design.wipe),
            "landlock": design.landlock,
            "filter": design.filter,
            "limits": self.limits.for_worker(own_user=design.own_user),
            "preload": list(self._preload),
            "threads": self.threads,
        }
        with suppress(ChannelClosed, FrameTimeout):  # a worker that died at once is told by `wait_ready`
            self._control.send(settings, time.monotonic() + self.limits.start_seconds)
        self._watchdog = Watchdog(self._process.pid, self.limits, self._scratch)

    def wait_ready(self) -> dict[str, Any]:
        """Wait until the zygote has imported torch; what it told of its versions.

        Raises:
            GraderFault: it did not start.
        """
        self.start()
        if self._ready is None:
            try:
                self._ready = self._control.receive(time.monotonic() + self.limits.start_seconds)
            except (ChannelClosed, ProtocolError, FrameTimeout) as error:
                raise GraderFault(f"The {self.name} worker did not start: {self._why_not(error)}") from error
        return self._ready

    def _why_not(self, error: Exception) -> str:
        said = last_lines(self._start_log)
        self.stop()
        return said or str(error) or type(error).__name__

    @contextmanager
    def session(
        self, seed: int, limits: Limits | None = None, *, spare: bool = False, any_device: bool = False
    ) -> Iterator[Session]:
        """Fork a fresh child for one check, and leave nothing of it behind; only the times of `limits` count here.

        Args:
            seed: of torch, at each call.
            limits: of this check, the worker's if not given.
            spare: import from the other folder.
            any_device: what insists on a GPU runs on the processor where there is none.
        """
        channel, log = self._fork(b"S" if spare else b"F")
        try:
            yield Session(self, channel, log, seed, limits or self.limits, any_device=any_device)
        finally:
            self.end_child(patient=False)
            channel.close()

    def _fork(self, order: bytes) -> tuple[Channel, bytearray]:
        """Fork, on a new zygote if the last one is gone."""
        try:
            return self._fork_once(order)
        except OSError:
            self.stop()
        try:
            return self._fork_once(order)
        except OSError as error:
            self.stop()
            raise GraderFault(f"The {self.name} worker is gone: {error}") from error

    def _fork_once(self, order: bytes) -> tuple[Channel, bytearray]:
        self.wait_ready()
        calls, their_calls = socket.socketpair()
        log, their_log = socket.socketpair()
        kept = bytearray()
        channel = Channel(calls, FrameCaps(), log=log, on_log=self._keep_end_of(kept))
        with their_calls, their_log:
            try:
                socket.send_fds(self._control_socket, [order], [their_calls.fileno(), their_log.fileno()])
            except OSError:
                channel.close()
                raise
        self._child_running = True
        if self._watchdog is not None:
            self._watchdog.wake()
        return channel, kept

    def _keep_end_of(self, kept: bytearray) -> Any:
        cap = self.limits.log_kib * 1024

        def keep(piece: bytes) -> None:
            kept.extend(piece)
            del kept[: max(0, len(kept) - cap)]

        return keep

    def end_child(self, *, patient: bool) -> None:
        """Have the child killed and everything that it started; if the zygote cannot do it, end the sandbox."""
        if self._process is None or not self._child_running:
            return
        self._child_running = False
        try:
            self._control_socket.setblocking(True)
            self._control_socket.settimeout(REAP_SECONDS)
            self._control_socket.sendall(b"E" if patient else b"K")
            self._control_socket.setblocking(False)
            answer = self._control.receive(time.monotonic() + REAP_SECONDS)
            self._last_status = answer["status"]
            if answer["swept"] is True and self._watchdog is not None:
                self._watchdog.sleep()
        except (OSError, ChannelClosed, ProtocolError, FrameTimeout, KeyError, TypeError):
            self._last_status = None
            self.stop()

    def explain_death(self) -> WorkerLost:
        """Say how the child ended, once its channel has closed."""
        self.end_child(patient=True)
        watchdog = self._watchdog
        if watchdog is not None and watchdog.fault is not None:
            self.stop()
            raise GraderFault(f"The watchdog of the limits failed: {watchdog.fault!r}") from watchdog.fault
        if watchdog is not None and watchdog.exceeded is not None:
            self.stop()
            return WorkerLost(*watchdog.exceeded)
        status = self._last_status
        if status is None:
            return WorkerLost("exit", "The process ended without an answer and took its parent with it.")
        if os.WIFSIGNALED(status):
            return WorkerLost("signal", f"The process was killed by {_signal_name(os.WTERMSIG(status))}.")
        code = os.WEXITSTATUS(status)
        return WorkerLost("exit", f"The process ended with exit code {code} before it gave an answer.")

    def processor_seconds(self) -> float:
        """What the processes of the sandbox, and those that have ended, have used of the processors."""
        return processor_seconds(self._process.pid) if self._process is not None else 0.0

    def stopped(self) -> AbstractContextManager[None]:
        """Keep what runs in the sandbox from running for a while."""
        return stopped(self._process.pid) if self._process is not None else nullcontext()

    def stop(self) -> None:
        """End the sandbox and every process in it."""
        if self._process is None:
            return
        if self._watchdog is not None:
            self._watchdog.stop()
        process, self._process = self._process, None
        self._child_running = False
        self._ready = None
        self._control.close()
        kill_tree(process.pid)
        process.wait()
        self._start_log.close()
        remove([self._scratch])


def _signal_name(number: int) -> str:
    """Name a signal, and what usually sends it; real-time signals have no names of their own."""
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
    causes = {
        "SIGSEGV": " (a crash in native code)",
        "SIGABRT": " (native code gave up)",
        "SIGXCPU": " (over its limit of CPU time)",
        "SIGXFSZ": " (a file over the size limit)",
    }
    return name + causes.get(name, "")
