"""What came out beside what was published: pure arithmetic over finished runs.

Absolute values can be compared only where the same was done: the handout's settings on the real data. The *order*, that
a pre-trained network lies above one from scratch at the same epoch, is expected of look-alikes and short trainings too.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from statistics import mean, stdev
from typing import Final

from grader.experiments.plans import Experiment
from grader.records import Record, Run
from grader.reproduction.running import Ending, State

READING_ERROR: Final = 0.01
"""Of a published value, which was read off a plot (`grader/data/README.md`)."""

SEED_BAND: Final = 0.04
"""Of mIoU, for another seed: each published run was trained once, and in its second half the validation mIoU moves by
up to 0.032 from one validation to the next. How much seeds differ was not published."""

TOLERANCE: Final = READING_ERROR + SEED_BAND

Endings = Mapping[int, Mapping[str, Ending]]
"""By seed and by the experiment's name."""


class Verdict(StrEnum):
    """What can be said of a result."""

    AS_PUBLISHED = "as published"
    DIFFERS = "not as published"
    NOT_COMPARABLE = "not comparable"
    NOT_PUBLISHED = "not published"
    SKIPPED = "skipped"
    FAILED = "failed"


class Value(Record):
    """A mean over seeds, and its standard deviation, None of a single seed."""

    mean: float
    spread: float | None = None


class Comparison(Record):
    """The final or the best validation mIoU of an experiment, beside the published one where there is one."""

    ours: Value
    published: float | None = None

    @property
    def difference(self) -> float | None:
        """Ours less the published one."""
        return None if self.published is None else self.ours.mean - self.published


class Row(Record):
    """One experiment; without `final` and `best` where no seed finished."""

    name: str
    title: str
    verdict: Verdict
    seeds: tuple[int, ...]
    reasons: tuple[str, ...] = ()
    seconds: float | None = None
    final: Comparison | None = None
    best: Comparison | None = None


class Step(Record):
    """The validation mIoU of two experiments after one epoch; `difference` is `upper` less `lower`, seed by seed."""

    epoch: int
    lower: Value
    upper: Value
    difference: Value
    smallest: float
    published: float | None

    @property
    def holds(self) -> bool:
        """Whether the upper one is above by more than the seeds' spread; of a single seed, above at all."""
        return self.difference.mean > (self.difference.spread or 0.0)


class Order(Record):
    """Whether one experiment lies above another at every validated epoch, as the published curves do."""

    lower: str
    upper: str
    seeds: tuple[int, ...]
    steps: tuple[Step, ...]

    @property
    def verdict(self) -> Verdict:
        """Whether the order holds at every epoch."""
        return Verdict.AS_PUBLISHED if all(step.holds for step in self.steps) else Verdict.DIFFERS


def value(numbers: Sequence[float]) -> Value:
    """Return mean and standard deviation."""
    return Value(mean=mean(numbers), spread=stdev(numbers) if len(numbers) > 1 else None)


def make_row(experiment: Experiment, endings: Endings, published: Mapping[str, Run], *, comparable: bool) -> Row:
    """Sum up one experiment over all seeds.

    Args:
        experiment: which one.
        endings: of all experiments.
        published: the published runs.
        comparable: whether the handout's settings were used on the real data.
    """
    mine = {seed: of_seed[experiment.name] for seed, of_seed in endings.items() if experiment.name in of_seed}
    runs = {seed: ending.run for seed, ending in mine.items() if ending.run is not None}
    reasons = tuple(dict.fromkeys(ending.reason for ending in mine.values() if ending.reason is not None))
    failed = any(ending.state is State.FAILED for ending in mine.values())
    row = Row(
        name=experiment.name,
        title=experiment.title,
        verdict=Verdict.FAILED if failed else Verdict.SKIPPED,
        seeds=tuple(runs),
        reasons=reasons,
    )
    if not runs:
        return row
    theirs = published[experiment.published].val_miou.values if experiment.published else None
    curves = [run.val_miou.values for run in runs.values()]
    final = Comparison(ours=value([c[-1] for c in curves]), published=theirs[-1] if theirs else None)
    best = Comparison(ours=value([max(c) for c in curves]), published=max(theirs) if theirs else None)
    seconds = mean(mine[seed].seconds or 0.0 for seed in runs)
    verdict = Verdict.FAILED if failed else judge((final, best), comparable=comparable)
    return row.model_copy(update={"verdict": verdict, "seconds": seconds, "final": final, "best": best})


def judge(comparisons: Iterable[Comparison], *, comparable: bool) -> Verdict:
    """Hold all values to lie within the tolerance of the published ones, where they can be compared."""
    differences = [comparison.difference for comparison in comparisons]
    if any(difference is None for difference in differences):
        return Verdict.NOT_PUBLISHED
    if not comparable:
        return Verdict.NOT_COMPARABLE
    within = all(abs(difference) <= TOLERANCE for difference in differences if difference is not None)
    return Verdict.AS_PUBLISHED if within else Verdict.DIFFERS


def make_order(lower: Experiment, upper: Experiment, endings: Endings, published: Mapping[str, Run]) -> Order | None:
    """Compare two experiments epoch by epoch, over the seeds for which both finished; None if there is no such seed."""
    pairs = {}
    for seed, of_seed in endings.items():
        one, other = (of_seed[name].run if name in of_seed else None for name in (lower.name, upper.name))
        if one is not None and other is not None:
            pairs[seed] = _by_epoch(one), _by_epoch(other)
    if not pairs:
        return None
    theirs = [_by_epoch(published[name]) if name else {} for name in (lower.published, upper.published)]
    common = set.intersection(*(set(curve) for pair in pairs.values() for curve in pair))
    steps = tuple(_step(epoch, list(pairs.values()), theirs) for epoch in sorted(common))
    return Order(lower=lower.name, upper=upper.name, seeds=tuple(pairs), steps=steps)


def _by_epoch(run: Run) -> dict[int, float]:
    return dict(zip(run.val_miou.steps, run.val_miou.values, strict=True))


def _step(
    epoch: int, pairs: Sequence[tuple[dict[int, float], dict[int, float]]], published: Sequence[dict[int, float]]
) -> Step:
    below, above = ([pair[index][epoch] for pair in pairs] for index in (0, 1))
    gains = [high - low for low, high in zip(below, above, strict=True)]
    known = all(epoch in curve for curve in published)
    return Step(
        epoch=epoch,
        lower=value(below),
        upper=value(above),
        difference=value(gains),
        smallest=min(gains),
        published=published[1][epoch] - published[0][epoch] if known else None,
    )
