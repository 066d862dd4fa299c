"""Throughput: what turns come to is pure arithmetic; and whoever cheats is caught, or gains nothing."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from grader.checking import CheckFailed, NotScored
from grader.checking.throughput import DOUBT, ROUNDS, WONDER, Scale, Turn, judge, score_of, together
from grader.records import Outcome, Status
from grader.rubric import load_rubric
from tests.harness.bench import Bench, open_bench
from tests.submissions.planted import SOLUTION, Planted

SCALE = Scale(full=0.1, nothing=0.001)
THROUGHPUT = load_rubric().only(["throughput"])


@pytest.mark.parametrize(
    ("ratio", "score"), [(3.0, 1), (0.1, 1), (0.01, 0.5), (0.001, 0), (1e-9, 0), (0.0, 0), (-1.0, 0)]
)
def test_points_fall_with_the_logarithm_of_the_speed(ratio: float, score: float) -> None:
    """All at one end of the scale, none at the other, half in the middle."""
    assert SCALE.score(ratio) == pytest.approx(score)


def turn(ratio: float, processor: float = 0.0) -> Turn:
    """A turn in which the solution worked for a second."""
    return Turn(content=0.5, solution=1.5, submission=0.5 + 1 / ratio, processor=processor)


def test_a_ratio_is_that_of_the_work_without_its_content() -> None:
    """What it takes to draw the content comes off both sides."""
    assert turn(0.25).ratio == pytest.approx(0.25)


def test_work_on_several_cores_is_counted_by_all_of_them() -> None:
    """Four cores for a second are four seconds; the wall's clock decides where a core was idle."""
    assert Turn(content=0, solution=1, submission=1, processor=4).ratio == pytest.approx(0.25)
    assert Turn(content=0, solution=1, submission=1, processor=0.5).ratio == 1
    assert not Turn(content=0, solution=1, submission=1, processor=1.1).parallel


def test_less_time_than_the_content_takes_is_no_division_by_zero() -> None:
    """Where nothing is left after the content's time, the least that a clock can tell is taken."""
    assert Turn(content=1, solution=2, submission=0.5, processor=0).ratio > WONDER


def test_work_that_cannot_be_told_from_its_content_makes_nobody_hopeless() -> None:
    """The best ratio counts the solution's content as work, so that it is never less than the ratio."""
    short = Turn(content=1.0, solution=1.0, submission=2.0, processor=0.0)
    assert short.ratio < 0.001
    assert short.best_ratio == 1
    assert turn(0.01).best_ratio == pytest.approx(0.015)


def test_the_turns_of_a_round_count_together() -> None:
    """A round's ratio is that of all its time, so that sizes which differ are no noise."""
    assert together([Turn(1, 2, 3, 4), Turn(0, 2, 2, 1)]) == Turn(1, 4, 5, 5)


@pytest.mark.parametrize(
    ("ratios", "score"),
    [
        ([1.0] * ROUNDS, 1.0),
        ([0.2, 5.0] * (ROUNDS // 2), 1.0),
        ([0.01] * ROUNDS, 0.5),
        ([0.01] * (ROUNDS - 1) + [0.0001], 0.5),
        ([0.003, 0.03] * (ROUNDS // 2), None),
    ],
    ids=["alike", "noise far from the scale", "halfway", "one outlier", "noise on the scale"],
)
def test_noise_counts_only_where_it_could_change_points(ratios: list[float], score: float | None) -> None:
    """The median decides, unless the quartiles would give points that are further apart than what is tolerated."""
    found = score_of(ratios, SCALE)
    assert found == (None if score is None else pytest.approx(score))
    assert SCALE.score(0.03) - SCALE.score(0.003) > DOUBT


def subject() -> Any:
    """What `judge` needs of a submission."""
    return SimpleNamespace(alarms=set(), remark=None)


def test_a_fast_submission_is_told_how_fast() -> None:
    """The median, the spread and how it was counted stand in the finding of a check that passes."""
    student = subject()
    judge(student, [turn(ratio) for ratio in (0.9, 1.0, 1.1)], SCALE)
    assert student.remark == "1 times as fast as the solution (0.9 to 1.1, rounds: 3, one thread)."
    assert not student.alarms


def test_a_slow_submission_gets_partial_credit() -> None:
    """The score is that of the scale, and the finding says what would be worth everything."""
    with pytest.raises(CheckFailed, match=r"Slow: 0\.01 times") as failure:
        judge(subject(), [turn(0.01)] * ROUNDS, SCALE)
    assert failure.value.score == 0.5
    assert "at least 0.1" in (failure.value.finding.expected or "")


def test_a_hopeless_first_turn_is_enough() -> None:
    """One turn far below the scale's end is worth nothing, and not left open."""
    with pytest.raises(CheckFailed) as failure:
        judge(subject(), [turn(0.0001)], SCALE)
    assert failure.value.score == 0


def test_noise_is_left_to_the_tutor() -> None:
    """Where nobody can tell, no point is lost."""
    with pytest.raises(NotScored, match="Too noisy to judge"):
        judge(subject(), [turn(0.003), turn(0.03)] * 4, SCALE)


def test_a_wonder_is_flagged_and_costs_nothing() -> None:
    """A submission many times as fast as the solution passes; a person looks at it."""
    student = subject()
    judge(student, [turn(2 * WONDER)] * ROUNDS, SCALE)
    ((kind, evidence),) = student.alarms
    assert kind == "speed"
    assert "implausibly fast" in evidence


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """Workers for all submissions of this module."""
    with open_bench() as opened:
        yield opened


def graded(bench: Bench, folder: Path, file: str, code: str, check: str) -> Outcome:
    """The outcome of a throughput check on the solution with code at the end of a file."""
    source = SOLUTION.make(folder)
    with (source / file).open("a") as stream:
        stream.write(code)
    name = f"throughput.{check}"
    only = THROUGHPUT.model_copy(update={"checks": tuple(one for one in THROUGHPUT.checks if one.id == name)})
    return bench.grade(source, only).outcomes[name]


LOOP = """
def _update(self, prediction, target):
    for image, labels in zip(prediction, target):
        for i in range(labels.shape[0]):
            for j in range(labels.shape[1]):
                label = int(labels[i, j])
                if label != 255:
                    self.confusion[label, int(image[:, i, j].argmax())] += 1
SegMetrics.update = _update
"""
EVERY_OTHER = """
_right = SegMetrics.update
def _update(self, prediction, target):
    self.calls = getattr(self, "calls", 0) + 1
    if self.calls % 2:
        _right(self, prediction, target)
SegMetrics.update = _update
"""
STOPPED_CLOCK = """
import time
time.time = time.perf_counter = time.monotonic = time.process_time = lambda: 0.0
"""
LAZY = """
_mean = SegMetrics.mIoU
def _keep(self, *batch):
    self.waiting = [*getattr(self, "waiting", ()), batch]
def _count_and_mean(self):
    while self.waiting:
        _update(self, *self.waiting.pop())
    return _mean(self)
SegMetrics.update, SegMetrics.mIoU = _keep, _count_and_mean
"""
IN_A_THREAD = """
import threading
_mean = SegMetrics.mIoU
def _start(self, *batch):
    self.thread = threading.Thread(target=_update, args=(self, *batch))
    self.thread.start()
def _join_and_mean(self):
    self.thread.join()
    return _mean(self)
SegMetrics.update, SegMetrics.mIoU = _start, _join_and_mean
"""
NO_NOISE = """
import torch
torch.randn = lambda *size, generator=None, **_: torch.zeros(*size)
"""
CACHED = """
_right, _cache = SegFormer.forward, {}
def _forward(self, x):
    if x.shape not in _cache:
        _cache[x.shape] = _right(self, x)
    return _cache[x.shape]
SegFormer.forward = _forward
"""
NO_STEP = """
torch.optim.SGD.step = lambda self, closure=None: None
"""
FROZEN_WHEN_TIMED = """
_right = SegFormer.forward
def _forward(self, x):
    for parameter in self.encoder.parameters():
        parameter.requires_grad_(len(x) != 4)
    return _right(self, x)
SegFormer.forward = _forward
"""
METRICS, NETWORK = "dlvc/metrics.py", "dlvc/models/segformer.py"


def test_a_loop_over_pixels_is_too_slow(bench: Bench, tmp_path: Path) -> None:
    """Right, and a hundred times slower: no points, and no minutes of waiting."""
    outcome = graded(bench, tmp_path, METRICS, LOOP, "metric")
    assert outcome.status is Status.FAILED
    assert outcome.score == 0
    assert "Slow" in outcome.finding.message


@pytest.mark.parametrize(
    ("file", "code", "check"),
    [
        pytest.param(METRICS, EVERY_OTHER, "metric", id="half of the work"),
        pytest.param(METRICS, NO_NOISE, "metric", id="content that is easier"),
        pytest.param(NETWORK, CACHED, "forward", id="outputs from a cache"),
        pytest.param(NETWORK, NO_STEP, "training_step", id="no training"),
        pytest.param(NETWORK, FROZEN_WHEN_TIMED, "training_step", id="half of the gradients, for one size"),
    ],
)
def test_wrong_results_are_not_timed(bench: Bench, tmp_path: Path, file: str, code: str, check: str) -> None:
    """Every answer that was timed is compared with the solution's."""
    outcome = graded(bench, tmp_path, file, code, check)
    assert outcome.status is Status.FAILED
    assert "wrong while it is timed" in outcome.finding.message


def test_other_defaults_of_torch_are_no_mistake(bench: Bench, tmp_path: Path) -> None:
    """A correct module that makes float64 torch's default computes what the solution does while it is timed."""
    only = THROUGHPUT.model_copy(update={"checks": THROUGHPUT.checks[:1]})
    (outcome,) = bench.grade(Planted("noise_at_import").make(tmp_path), only).outcomes.values()
    assert "wrong" not in outcome.finding.message


@pytest.mark.parametrize(
    "trick",
    [
        pytest.param(STOPPED_CLOCK, id="its own clocks are stopped", marks=pytest.mark.nightly),
        pytest.param(LAZY, id="counted when the result is asked for", marks=pytest.mark.nightly),
        pytest.param(IN_A_THREAD, id="counted in a thread"),
    ],
)
def test_a_trick_makes_nobody_faster(bench: Bench, tmp_path: Path, trick: str) -> None:
    """The clock is not the submission's, and it runs until the result is there: a loop takes as long as before."""
    outcome = graded(bench, tmp_path, METRICS, LOOP + trick, "metric")
    assert outcome.status is Status.FAILED
    assert outcome.score == 0
