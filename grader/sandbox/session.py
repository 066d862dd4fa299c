"""One check's conversation with one fresh child of a worker."""

import time
from typing import Any, Protocol

from pydantic import ValidationError

from grader.sandbox.failures import CallError, CallFailed, WorkerLost
from grader.sandbox.limits import Limits
from grader.worker.channel import Channel, ChannelClosed, FrameTimeout, ProtocolError

TEXT_LENGTH = 8000
MOST_ALARMS, ALARM_LENGTH = 20, 300


class Parent(Protocol):
    """Who forked the child."""

    def end_child(self, *, patient: bool) -> None:
        """Have it killed, with all that it started; a `patient` end waits for how it ends by itself."""

    def explain_death(self) -> WorkerLost:
        """Say how it ended, once its channel has closed."""


class Session:
    """One check's conversation with one fresh child of a worker."""

    def __init__(
        self, parent: Parent, channel: Channel, log: bytearray, seed: int, limits: Limits, *, any_device: bool
    ) -> None:
        self._parent = parent
        self._limits = limits
        self._channel = channel
        self._log = log
        self._seed = seed
        self._any_device = any_device
        self._ends = time.monotonic() + limits.check_seconds
        self._lost: WorkerLost | None = None
        self.alarms: set[tuple[str, str]] = set()

    @property
    def log(self) -> str:
        """What the child has printed, its end only if it is long."""
        self._channel.drain_log()
        return self._log.decode(errors="replace")

    @property
    def received(self) -> int:
        """How many bytes the child has answered so far."""
        return self._channel.received

    def call(self, probe: str, arguments: dict[str, Any]) -> Any:
        """Ask the child for one answer.

        Args:
            probe: `<module>_<function>` of `grader.probes`.
            arguments: a tree of JSON values and numpy arrays.

        Raises:
            CallFailed: the probe raised; the submission's doing unless the probe itself is wrong.
            WorkerLost: there was no answer; the session is over and every further call raises the same.
        """
        if self._lost is not None:
            raise self._lost
        limits = self._limits
        deadline = min(time.monotonic() + limits.call_seconds, self._ends)
        try:
            request = {"probe": probe, "seed": self._seed, "any_device": self._any_device, "arguments": arguments}
            self._channel.send(request, deadline)
            answer = self._channel.receive(deadline)
            self._hear(answer)
            return self._value(answer)
        except FrameTimeout:
            of_check = deadline == self._ends
            allowed = limits.check_seconds if of_check else limits.call_seconds
            what = "this check" if of_check else "one call"
            hung = not of_check or limits.check_seconds <= limits.call_seconds
            self._lost = WorkerLost("time", f"No answer within {allowed:g} s, the time limit of {what}.", hung=hung)
        except ProtocolError as error:
            self._lost = WorkerLost("garbage", f"The answer was not readable: {error}.")
        except ChannelClosed:
            self._lost = self._parent.explain_death()
        self._parent.end_child(patient=False)
        raise self._lost

    def _hear(self, answer: Any) -> None:
        """Keep what the worker noticed; it is the submission's process that says so, so it may be missing or odd."""
        said = answer.get("alarms") if isinstance(answer, dict) else None
        for alarm in said[:MOST_ALARMS] if isinstance(said, list) else ():
            if isinstance(alarm, list) and len(alarm) == 2 and all(isinstance(text, str) for text in alarm):
                self.alarms.add((alarm[0][:ALARM_LENGTH], alarm[1][:ALARM_LENGTH]))

    @staticmethod
    def _value(answer: Any) -> Any:
        if isinstance(answer, dict) and answer.get("ok") is True and "value" in answer:
            return answer["value"]
        try:
            error = CallError.model_validate(answer["error"])
        except (TypeError, KeyError, ValidationError):
            raise ProtocolError("it is no answer to a call") from None
        cut = {name: text[:TEXT_LENGTH] for name, text in error if isinstance(text, str)}
        raise CallFailed(error.model_copy(update=cut))
