"""What `python -m grader reproduce` says of results: the published values, and the order of the curves."""

from itertools import pairwise

import pytest

from grader.experiments.curves import METRICS, load_published
from grader.experiments.plans import load_experiments
from grader.records import Run, Series
from grader.reproduction.comparing import SEED_BAND, TOLERANCE, Verdict, make_order, make_row
from grader.reproduction.running import Ending, State

BY_NAME = {experiment.name: experiment for experiment in load_experiments()}


def curve(name: str, values: list[float]) -> Run:
    """A run whose mIoUs are `values` in epochs 0, 2, 4... and whose losses are 1."""
    steps = tuple(range(0, 2 * len(values), 2))
    series = {metric: Series(steps, tuple(values if "miou" in metric else [1.0] * len(values))) for metric in METRICS}
    return Run(name, **series)


def finished(**values: list[float]) -> dict[str, Ending]:
    """Finished experiments with these validation mIoUs."""
    return {name: Ending(State.FINISHED, curve(name, numbers), 1.0) for name, numbers in values.items()}


@pytest.mark.parametrize(
    ("best", "final", "comparable", "verdict"),
    [
        (0.582, 0.550, True, Verdict.AS_PUBLISHED),
        (0.582 + TOLERANCE - 1e-9, 0.550 - TOLERANCE + 1e-9, True, Verdict.AS_PUBLISHED),
        (0.582, 0.550 - TOLERANCE - 0.001, True, Verdict.DIFFERS),
        (0.582 + TOLERANCE + 0.001, 0.550, True, Verdict.DIFFERS),
        (0.582, 0.550, False, Verdict.NOT_COMPARABLE),
    ],
)
def test_values_are_held_against_the_published_ones(best, final, comparable, verdict):
    """Final and best mIoU must both lie within the tolerance, if the settings and the data are the handout's."""
    experiment = BY_NAME["fcn_scratch"]
    row = make_row(experiment, {0: finished(fcn_scratch=[0.3, best, final])}, load_published(), comparable=comparable)
    assert row.verdict is verdict
    assert (row.final.published, row.best.published) == (0.550, 0.582)
    assert row.final.difference == pytest.approx(final - 0.550, abs=1e-12)  # binary rounding


def test_nothing_is_claimed_where_nothing_was_published():
    """An experiment without a published run has values and no verdict on them."""
    endings = {0: finished(finetune_frozen=[0.3])}
    row = make_row(BY_NAME["finetune_frozen"], endings, load_published(), comparable=True)
    assert (row.verdict, row.final.published, row.final.difference) == (Verdict.NOT_PUBLISHED, None, None)


def test_a_seed_that_failed_is_not_averaged_away():
    """Where one seed failed, the row says so, whatever the others gave."""
    endings = {0: finished(fcn_scratch=[0.5]), 1: {"fcn_scratch": Ending(State.FAILED, reason="why")}}
    row = make_row(BY_NAME["fcn_scratch"], endings, load_published(), comparable=True)
    assert (row.verdict, row.seeds, row.reasons) == (Verdict.FAILED, (0,), ("why",))


def order_of(*pairs: tuple[list[float], list[float]]):
    """The order of (from scratch, fine-tuned), a pair of curves for each seed."""
    endings = {
        seed: finished(segformer_scratch=scratch, finetune_all=tuned) for seed, (scratch, tuned) in enumerate(pairs)
    }
    return make_order(BY_NAME["segformer_scratch"], BY_NAME["finetune_all"], endings, load_published())


def test_an_order_is_told_epoch_by_epoch():
    """With one seed, the pre-trained network has to be above at every epoch; the published difference stands beside."""
    order = order_of(([0.3, 0.4], [0.5, 0.4]))
    assert [step.holds for step in order.steps] == [True, False]
    assert order.verdict is Verdict.DIFFERS
    assert [step.published for step in order.steps] == pytest.approx([0.25, 0.341], abs=1e-9)  # binary rounding
    assert order_of(([0.3, 0.4], [0.5, 0.41])).verdict is Verdict.AS_PUBLISHED


def test_an_order_needs_more_than_the_seeds_spread():
    """With several seeds, the mean difference at an epoch has to exceed its standard deviation over the seeds."""
    (step,) = order_of(([0.3], [0.5]), ([0.3], [0.3])).steps
    assert step.difference.mean == pytest.approx(0.1, abs=1e-12)  # binary rounding
    assert step.difference.spread == pytest.approx(0.02**0.5, abs=1e-12)  # of 0.2 and 0.0
    assert (step.holds, step.smallest) == (False, 0.0)
    (step,) = order_of(([0.3], [0.5]), ([0.3], [0.4])).steps
    assert step.holds


def test_the_band_covers_what_the_published_curves_do_themselves():
    """The band for another seed is wider than any step of a published validation mIoU in the second half."""
    published = load_published().values()
    steps = [abs(b - a) for run in published for a, b in pairwise(run.val_miou.values[8:])]
    assert round(max(steps), 3) == 0.032  # the figure that SEED_BAND's reason states
    assert max(steps) < SEED_BAND
