"""How fast the metric and the SegFormer are beside the solution's, on whatever machine this is.

Sizes are drawn, so that no particular ones are worth being fast for. The scales leave room for any ordinary way to
write the assignment; what they find out are loops over pixels, and work that is done again and again.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from grader.checking import NotScored, Subject, TrustedSubject, expect_close, nearest
from grader.checking.level_orders import ORDER, ORDERS
from grader.checking.throughput import Race, Scale, judge
from grader.checking.tolerances import tolerance

# What the solution is, one argmax, a mask and one bincount, is worth everything, a loop over pixels nothing (0.02).
METRIC = Scale(full=1 / 3, nothing=1 / 12)
# The decoder and the attention as the paper writes them are worth everything.
NETWORK = Scale(full=1 / 3, nothing=1 / 30)
VALUE = tolerance("metrics.value", "absolute", "as in Part 2: whoever rounds to four digits is right", rule=6e-5)
FORWARD = tolerance("segformer.forward", "relative", "as in Part 5; a dozen steps of training are off by 2e-6")
WRONG = "What it computes is wrong while it is timed."
NO_GPU = "Not measured: there is no GPU here that a submission may use."


def metric_cases(rng: np.random.Generator, device: str = "cpu") -> list[dict[str, Any]]:
    """Three classes and nineteen; the sizes of the images differ from one grading to the next."""
    sizes = (8, 3, *rng.integers(96, 129, 2)), (2, 19, *rng.integers(96, 129, 2))
    return [{"shape": [int(side) for side in size], "times": 16, "device": device} for size in sizes]


def network_cases(rng: np.random.Generator, times: int, device: str = "cpu") -> list[dict[str, Any]]:
    """Small images and larger ones, whose sides the encoder can halve."""
    sizes = (4, 3, 64, 64), (1, 3, *(32 * rng.integers(3, 6, 2)))
    common = {"times": times, "device": device, "order": ORDER}
    return [{"shape": [int(side) for side in size], **common} for size in sizes]


def same_mious(found: list[float], expected: list[float]) -> None:
    """Fail where the metric gives another value than the solution's."""
    expect_close(found, expected, VALUE, WRONG)


def same_scores(found: list[NDArray[Any]], expected: list[NDArray[Any]]) -> None:
    """Fail where the network gives other scores than the solution's."""
    expect_close(np.stack(found), np.stack(expected), FORWARD, WRONG)


def same_losses(found: list[float], expected: list[float]) -> None:
    """Fail where the losses are not those of the solution."""
    expect_close(found, expected, FORWARD, WRONG)


def order_of(student: Subject, solution: Subject, rng: np.random.Generator) -> list[int]:
    """In which order the submission's head concatenates the levels, the handout's where it cannot be told."""
    images = rng.normal(size=(1, 3, 64, 64)).astype(np.float32)
    case = {"classes": 3, "weights": 0, "images": images}
    found = student.segformer_network(**case, order=ORDER)
    which = nearest(found, (solution.segformer_network(**case, order=order) for order in ORDERS), FORWARD)
    return ORDERS[which or 0]


@pytest.fixture
def race(student: Subject, fresh_reference: TrustedSubject, rng: np.random.Generator) -> Callable[..., Race]:
    """A race at a probe; networks are compared in the order in which the submission concatenates levels."""

    def make(probe: str, compare: Callable[[Any, Any], None], *, network: bool = True) -> Race:
        made = Race(student, fresh_reference, rng, probe, compare)
        if network:
            made.only_for_solution = {"order": order_of(student, fresh_reference, rng)}
        return made

    return make


def test_metric(
    student: Subject, race: Callable[..., Race], rng: np.random.Generator, benchmark: BenchmarkFixture
) -> None:
    """`SegMetrics.update` counts batches at an ordinary speed."""
    judge(student, race("metric", same_mious, network=False).run(benchmark, metric_cases(rng), METRIC), METRIC)


def test_forward(
    student: Subject, race: Callable[..., Race], rng: np.random.Generator, benchmark: BenchmarkFixture
) -> None:
    """The SegFormer scores images at an ordinary speed."""
    judge(student, race("forward", same_scores).run(benchmark, network_cases(rng, 2), NETWORK), NETWORK)


def test_training_step(
    student: Subject, race: Callable[..., Race], rng: np.random.Generator, benchmark: BenchmarkFixture
) -> None:
    """The SegFormer trains at an ordinary speed."""
    judge(student, race("training_step", same_losses).run(benchmark, network_cases(rng, 1), NETWORK), NETWORK)


def test_gpu(
    student: Subject, race: Callable[..., Race], rng: np.random.Generator, request: pytest.FixtureRequest
) -> None:
    """On a GPU, where there is one, the SegFormer trains at an ordinary speed, too."""
    if not student.has_gpu:
        raise NotScored(NO_GPU)
    benchmark: BenchmarkFixture = request.getfixturevalue("benchmark")
    cases = network_cases(rng, 8, "cuda")
    judge(student, race("training_step", same_losses).run(benchmark, cases, NETWORK), NETWORK)
