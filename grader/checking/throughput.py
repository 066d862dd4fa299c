"""How fast a submission is beside the solution, measured so that neither luck nor cunning decides points.

Both do the same work in turns, each in a fresh process of its own with one thread. The clock is the trusted side's,
around the call; what drawing the content takes is measured on the solution's worker and taken off both. A submission's
processes are stopped while the solution works, so that they cannot keep its core busy. Every answer of every turn is
compared with the solution's. Time is the wall's, or the processors' where a submission used more of it: several threads
or processes gain nothing. In a round there is a turn for each size, and its ratio is that of their times together. The
score comes from the rounds' median, on a scale so wide that any ordinary implementation has all points; where the
spread of the rounds could change it, nobody can tell.
"""

import math
import time
from collections.abc import Callable, Sequence
from itertools import cycle
from statistics import median, quantiles
from typing import Any, NamedTuple

import numpy as np
from pytest_benchmark.fixture import BenchmarkFixture

from grader.checking import CheckFailed, NotScored, Subject, TrustedSubject
from grader.records import Finding

ROUNDS = 6
# A submission is hopeless, or not, after so much of a turn's work.
SHORT = 4
# The processor's time is counted in ticks of 10 ms, and torch's start of a thread takes some, too.
TICKS = 0.03
SHARE_OF_ONE = 1.2
# A score that the rounds' quartiles do not agree on to this extent is left to the tutor.
DOUBT = 0.25
# A submission so much faster than the solution is a wonder, or worth a look.
WONDER = 10.0
SMALL = 64  # pixels, height and width of an image that takes nobody long
# The solution waits for the submission: its process has to last longer than that one's limit.
PATIENCE = 2.0
# Times below this are the transport's, not the work's.
LEAST_SECONDS = 1e-4


class Scale(NamedTuple):
    """Ratios of speed, of the solution's, that are worth everything and nothing; logarithmic in between."""

    full: float
    nothing: float

    def score(self, ratio: float) -> float:
        """The share of the points for a ratio."""
        if ratio <= 0:
            return 0.0
        place = math.log(ratio / self.nothing) / math.log(self.full / self.nothing)
        return min(max(place, 0.0), 1.0)


class Turn(NamedTuple):
    """Seconds of a turn, or of several: of the content alone, of the solution, of the submission, of its processors."""

    content: float
    solution: float
    submission: float
    processor: float

    @property
    def ratio(self) -> float:
        """How many times as fast as the solution the submission is, 1 for the same."""
        return max(self.solution - self.content, LEAST_SECONDS) / self._work

    @property
    def best_ratio(self) -> float:
        """At least the ratio, also where the solution's work is too short to be told from what the content takes."""
        return self.solution / self._work

    @property
    def _work(self) -> float:
        spent = self.processor if self.parallel else self.submission
        return max(spent - self.content, LEAST_SECONDS)

    @property
    def parallel(self) -> bool:
        """Whether the submission worked on more than one core."""
        return self.processor > SHARE_OF_ONE * self.submission + TICKS


def together(turns: Sequence[Turn]) -> Turn:
    """The seconds of several turns."""
    return Turn(*map(sum, zip(*turns, strict=True)))


def score_of(ratios: Sequence[float], scale: Scale) -> float | None:
    """The score of the median ratio, None where the quartiles are too far apart to tell."""
    low, _, high = quantiles(ratios, n=4)
    if scale.score(high) - scale.score(low) > DOUBT:
        return None
    return scale.score(median(ratios))


class Race:
    """Turns of a submission and the solution at the same probe.

    Args:
        student: the submission.
        solution: with answers of its own, since one from memory takes no time.
        rng: of the content.
        probe: of `grader.probes.throughput`.
        compare: told the submission's answer and the solution's; fails the check if they differ.

    Attributes:
        only_for_solution: what the solution is asked for in place of what the cases say.
    """

    def __init__(
        self,
        student: Subject,
        solution: TrustedSubject,
        rng: np.random.Generator,
        probe: str,
        compare: Callable[[Any, Any], None],
    ) -> None:
        self._student, self._solution, self._rng = student, solution, rng
        self._probe, self._compare = f"throughput_{probe}", compare
        self.only_for_solution: dict[str, Any] = {}
        seconds = student.limits.script_seconds
        student.allow(seconds)
        solution.allow(PATIENCE * seconds)

    def run(self, benchmark: BenchmarkFixture, cases: Sequence[dict[str, Any]], scale: Scale) -> list[Turn]:
        """Take turns at the cases, after short ones at each, which only count where they are hopeless.

        Returns:
            The rounds, each with its turns together; or the one short turn that was enough.
        """
        for case in cases:
            self._short_turn(case | {"times": 1, "shape": [1, case["shape"][1], SMALL, SMALL]})  # imports, and so on
            short = case | {"times": max(1, case["times"] // SHORT)}
            turn = max((self._short_turn(short) for _ in range(2)), key=lambda turn: turn.best_ratio)
            if turn.best_ratio < scale.nothing:
                return [turn]
        timed_turns: list[Turn] = []
        upcoming = cycle(cases)
        timed: Any = benchmark  # pytest-benchmark has no types
        timed.pedantic(
            self._work,
            setup=lambda: self._prepare(next(upcoming)),
            teardown=lambda: timed_turns.append(self._turn(0)),
            rounds=ROUNDS * len(cases),
        )
        turns = [turn._replace(submission=s) for turn, s in zip(timed_turns, timed.stats.stats.data, strict=True)]
        return [together(turns[first : first + len(cases)]) for first in range(0, len(turns), len(cases))]

    def _short_turn(self, case: dict[str, Any]) -> Turn:
        """A turn that pytest-benchmark does not count."""
        self._prepare(case)
        began = time.perf_counter()
        self._work()
        return self._turn(time.perf_counter() - began)

    def _prepare(self, case: dict[str, Any]) -> None:
        self._arguments = case | {"content": int(self._rng.integers(1 << 31))}
        with self._student.stopped():
            self._content, _ = self._timed(only_content=True)
            self._seconds, self._expected = self._timed(only_content=False)
        self._before = self._student.processor_seconds()

    def _timed(self, *, only_content: bool) -> tuple[float, Any]:
        began = time.perf_counter()
        case = self._arguments | self.only_for_solution | {"only_content": only_content}
        answer = self._solution.ask(self._probe, case)
        return time.perf_counter() - began, answer

    def _work(self) -> None:
        self._found = self._student.ask(self._probe, self._arguments | {"only_content": False})

    def _turn(self, seconds: float) -> Turn:
        processor = self._student.processor_seconds() - self._before
        self._compare(self._found, self._expected)
        return Turn(self._content, self._seconds, seconds, processor)


def judge(student: Subject, rounds: Sequence[Turn], scale: Scale) -> None:
    """End a check by what its rounds have shown, and tell it also where it passes.

    Raises:
        CheckFailed: it is slow; with partial credit by the scale.
        NotScored: the rounds differ too much to tell.
    """
    ratios = [turn.ratio for turn in rounds]
    spread = f"{min(ratios):.2g} to {max(ratios):.2g}, {_in(rounds)}"
    told = f"{median(ratios):.2g} times as fast as the solution ({spread})."
    if median(ratios) > WONDER:
        student.alarms.add(("speed", f"implausibly fast: {told}"))
    score = score_of(ratios, scale) if len(ratios) > 1 else scale.score(ratios[0])
    if score is None:
        raise NotScored(f"Too noisy to judge: {told} Other programs were busy; grade again on a quiet machine.")
    if score < 1:
        expected = f"at least {scale.full:g} times the solution's speed; no points below {scale.nothing:g}"
        finding = Finding(message=f"Slow: {told}", expected=expected)
        raise CheckFailed(finding, score=round(score, 2))
    student.remark = told[0].upper() + told[1:]


def _in(rounds: Sequence[Turn]) -> str:
    clock = "processor time, as it used several cores" if any(turn.parallel for turn in rounds) else "one thread"
    return f"rounds: {len(rounds)}, {clock}"
