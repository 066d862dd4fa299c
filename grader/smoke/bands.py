"""What the solution's smoke trainings gave over several seeds: `data/smoke_bands.json`, and how it is made anew."""

import platform
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
from pydantic import ValidationError

from grader.checking import Subject
from grader.checking.level_orders import ORDER
from grader.checking.script_runs import make
from grader.errors import GraderFault
from grader.experiments.curves import METRICS, combined
from grader.files import DATA, write_atomically
from grader.intake import take_in
from grader.lookalikes.making import VERSION
from grader.records import Band, Isolation, Record, Run, Series
from grader.sandbox import Limits, Worker
from grader.sandbox.limits import usable_cores
from grader.smoke.pictures import CLASSES, draw_unseen
from grader.smoke.plans import PLANS, Plan
from grader.smoke.results import EVALUATION_SECONDS, predicted, read_run
from grader.smoke.unseen import class_iou, confusion, miou, rounded

BANDS_FILE: Final = DATA / "smoke_bands.json"
COMMAND: Final = "python -m grader bands --seeds {seeds}"
SLACK = 0.05  # of mIoU: a quarter of what a minute of training gains over one class for every pixel


class Measured(Record):
    """One training of the solution."""

    seed: int
    run: Run
    unseen: float
    class_iou: tuple[float, ...]

    @property
    def gap(self) -> float:
        """By how much the mIoU in training lies above the one on unseen pictures at the end."""
        return self.run.train_miou.values[-1] - self.unseen


class Measurements(Record):
    """All trainings of one plan; the other fields say what they are valid for."""

    options: tuple[str, ...]
    images: tuple[int, int]
    lookalikes: int
    trainings: tuple[Measured, ...]

    def band(self) -> Band:
        """The lowest, the median and the highest value of each metric, epoch by epoch."""
        runs = [one.run for one in self.trainings]
        return Band(seeds=len(runs), low=combined(runs, min), median=combined(runs, median), high=combined(runs, max))

    def miou_range(self) -> tuple[float, float, float]:
        """The lowest, the median and the highest mIoU on unseen pictures."""
        values = [one.unseen for one in self.trainings]
        return min(values), median(values), max(values)

    def median_class_iou(self) -> tuple[float, ...]:
        """The median IoU of each class on unseen pictures."""
        return tuple(median(one.class_iou[number] for one in self.trainings) for number in range(len(CLASSES)))

    def enough(self) -> float:
        """The mIoU on unseen pictures from which a training is as good as the solution's.

        As far below the lowest of ours as the highest is above it: ten draws of a normal distribution span about three
        standard deviations, so this is four to five below the median. Seeds are not all that may differ, so it is
        never less than `SLACK`.
        """
        low, _, high = self.miou_range()
        return low - max(SLACK, high - low)

    def largest_gap(self) -> float:
        """The gap between training and unseen pictures above which a training overfits, by the same measure."""
        gaps = [one.gap for one in self.trainings]
        return max(gaps) + max(SLACK, max(gaps) - min(gaps))


class Bands(Record):
    """The whole file."""

    command: str
    machine: str
    trainings: dict[str, Measurements]


def load_bands(path: Path = BANDS_FILE) -> dict[str, Measurements]:
    """Read the bands of all plans.

    Raises:
        GraderFault: there are none, or they were made by other trainings than those of now.
    """
    try:
        found = Bands.model_validate_json(path.read_text(encoding="utf-8")).trainings
    except (OSError, ValidationError) as error:
        raise GraderFault(f"The bands {path.name} cannot be used: {error}") from error
    for plan in PLANS.values():
        if plan.name not in found or not _valid(found[plan.name], plan):
            raise GraderFault(
                f"The bands {path.name} are of other trainings: make them anew, `python -m grader bands`."
            )
    return found


def _valid(measurements: Measurements, plan: Plan) -> bool:
    made_by = (measurements.options, measurements.images, measurements.lookalikes)
    return made_by == (plan.options, plan.images, VERSION)


def measure(
    solution: Path, folder: Path, isolation: Isolation, seeds: Sequence[int], say: Callable[[str], None]
) -> Bands:
    """Train the solution once for each plan and seed, as a submission is trained, and evaluate it.

    Args:
        solution: the folder of the solution.
        folder: an empty one to work in.
        isolation: the tier of the sandbox.
        seeds: of the trainings; each draws its own unseen pictures, as each grading does.
        say: is told of each training.
    """
    take_in(solution, folder / "reference")
    with ExitStack() as stack:
        limits = Limits(smoke_seconds=3600)
        worker = stack.enter_context(Worker("reference", folder / "reference", isolation, limits, room=folder))
        trainings = {}
        for plan in PLANS.values():
            measured = tuple(_measured(worker, plan, seed, say) for seed in seeds)
            trainings[plan.name] = Measurements(
                options=plan.options, images=plan.images, lookalikes=VERSION, trainings=measured
            )
        machine = f"{usable_cores()} cores ({platform.machine()}), torch {worker.wait_ready()['torch']}"
    return Bands(command=COMMAND.format(seeds=len(seeds)), machine=machine, trainings=trainings)


def write_bands(bands: Bands, path: Path = BANDS_FILE) -> None:
    """Write the file."""
    write_atomically(path, (bands.model_dump_json(indent=1) + "\n").encode())


def _measured(worker: Worker, plan: Plan, seed: int, say: Callable[[str], None]) -> Measured:
    trainer, evaluator, began = Subject(worker, seed), Subject(worker, seed), time.monotonic()
    try:
        evaluator.allow(EVALUATION_SECONDS)
        made = make(trainer, plan.command(seed, *plan.solution))
        made.expect_end()
        trainer.close()
        run = read_run(made.run.history, plan.name, plan.epochs)
        assert run is not None
        assert made.run.kept is not None
        pictures = draw_unseen(np.random.default_rng(seed))
        counts = confusion(pictures.classes, predicted(evaluator, plan, made.run.kept, pictures.images, ORDER))
    finally:
        trainer.close()
        evaluator.close()
    say(f"{plan.name}, seed {seed}: mIoU {miou(counts):.3f} on unseen pictures, {time.monotonic() - began:.0f} s")
    short = {metric: Series(*_short(getattr(run, metric))) for metric in METRICS}
    return Measured(
        seed=seed,
        run=Run(run.name, **short),
        unseen=rounded([miou(counts)])[0],
        class_iou=rounded(class_iou(counts)),
    )


def _short(series: Series) -> tuple[tuple[int, ...], tuple[float, ...]]:
    return series.steps, rounded(series.values)
