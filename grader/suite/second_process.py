"""A second process that runs checks of the same submission at the same time, on another core.

pytest runs one check at a time in a process, so the checks that run beside the others need one of their own, which has
workers of its own. Both ends of the pipe between the two are the grader's, so what goes over it is pickled; what a
submission answers is parsed in the one as carefully as in the other (`grader.worker.channel`).

The second process ends when the first one's end of the pipe is closed.
"""

import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from grader.errors import GraderFault
from grader.files import ROOT
from grader.records import Outcome, Submission
from grader.rubric import Rubric
from grader.sandbox.processes import last_lines
from grader.suite.evidence import Evidence
from grader.suite.runner import Runner, Setting
from grader.worker.confine import die_with_parent

# For a check to be broken off, and for the process to end by itself.
STOP_SECONDS = 10.0


@dataclass(frozen=True)
class Admit:
    """Start a worker for the submission in a folder."""

    tree: Path


@dataclass(frozen=True)
class Run:
    """Run the checks of a rubric on a submission that was admitted, then end its worker."""

    rubric: Rubric
    submission: Submission
    tree: Path


@dataclass(frozen=True)
class Fault:
    """The checks could not be run."""

    message: str


class SecondProcess:
    """The first process's handle on the second one.

    Args:
        setting: as for a runner of one's own.
    """

    def __init__(self, setting: Setting) -> None:
        self._connection, theirs = Pipe()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._process = subprocess.Popen(  # noqa: S603 - a command of our own making
            [sys.executable, "-c", "from grader.suite.second_process import main; main()", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            cwd=ROOT,
            # Ctrl-C at a terminal reaches it through us only.
            start_new_session=True,
        )
        theirs.close()
        self._on_outcome: Callable[[Outcome], None] = lambda _: None
        self._heard = Evidence()
        self._evidence: Evidence | None = None
        self._send(setting)

    def close(self) -> None:
        """End the process and its workers."""
        self._connection.close()
        self._process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        self._process.kill()
        self._process.wait()
        self._log.close()

    def admit(self, tree: Path) -> None:
        """Have a worker started for a submission, once the checks that run have ended."""
        self._send(Admit(tree))

    def run(self, rubric: Rubric, submission: Submission, tree: Path, on_outcome: Callable[[Outcome], None]) -> None:
        """Begin to run checks on a submission that was admitted; `on_outcome` is called by `hear` and `finish`."""
        self._on_outcome, self._heard, self._evidence = on_outcome, Evidence(), None
        self._send(Run(rubric, submission, tree))

    def hear(self) -> None:
        """Take in what has come so far."""
        while self._evidence is None and self._connection.poll():
            self._receive()

    def finish(self, *, stop: bool = False) -> Evidence:
        """Wait for the end of the checks.

        Args:
            stop: break them off; so does an interrupt while we wait.

        Raises:
            GraderFault: they could not be run.
        """
        try:
            while self._evidence is None and not stop:
                self._receive()
        except KeyboardInterrupt:
            stop = True
        return self._evidence or self._stopped()

    def _stopped(self) -> Evidence:
        """Break the checks off; what they have shown so far."""
        self._heard.finished = False
        self._process.send_signal(signal.SIGINT)
        with suppress(GraderFault):  # what was heard is worth more than how it ended
            while self._evidence is None and self._connection.poll(STOP_SECONDS):
                self._receive()
        return self._evidence or self._heard

    def _send(self, order: Any) -> None:
        try:
            self._connection.send(order)
        except OSError:
            raise self._gone() from None

    def _receive(self) -> None:
        try:
            message = self._connection.recv()
        except (EOFError, OSError):
            raise self._gone() from None
        if isinstance(message, Fault):
            raise GraderFault(message.message)
        if isinstance(message, Evidence):
            self._evidence = message
            return
        self._heard.outcomes[message.check] = message
        self._on_outcome(message)

    def _gone(self) -> GraderFault:
        self._process.kill()
        code = self._process.wait()
        said = last_lines(self._log)
        return GraderFault(f"The process of the checks beside the others ended with code {code}.\n{said}".strip())


def main() -> None:
    """Be the second process; the descriptor of its end of the pipe is the command's argument."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = Connection(int(sys.argv[1]))
    with suppress(EOFError, ConnectionError), closing(Runner(connection.recv())) as runner:
        while True:
            order = connection.recv()
            if isinstance(order, Admit):
                runner.admit(order.tree)
            else:
                connection.send(_run(runner, order, connection))
                runner.dismiss(order.tree)


def _run(runner: Runner, order: Run, connection: Connection) -> Evidence | Fault:
    def tell(outcome: Outcome) -> None:
        with _whole():
            connection.send(outcome)

    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return runner.run(order.rubric, order.submission, order.tree, tell)
    except KeyboardInterrupt:
        return Evidence(finished=False)  # before the first check
    except GraderFault as fault:
        return Fault(str(fault))
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _whole() -> Iterator[None]:
    """Let no interrupt cut a message in two."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
