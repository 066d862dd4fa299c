"""One smoke training of a submission, put together: its curves, its weights on unseen pictures, and the verdict."""

from dataclasses import dataclass

import numpy as np

from grader.checking import CheckFailed, Subject, Tolerance
from grader.records import Finding, SmokeTraining, Unseen
from grader.scripts.runs import Made
from grader.smoke.bands import Measurements
from grader.smoke.judging import Judgement, judge
from grader.smoke.pictures import CLASSES, Labelled, Pixels, unseen, validation
from grader.smoke.plans import Plan
from grader.smoke.results import learning_rates, predicted, read_run
from grader.smoke.unseen import Counts, class_iou, confusion, miou, rounded, samples

CONTRADICTION = Tolerance(
    0.005, 0, "the same weights by another implementation: near ties, a pixel in a thousand, go to another class"
)


@dataclass(frozen=True)
class Trained:
    """A smoke training and what was made of it.

    Args:
        made: the run of the script.
        judgement: the verdict.
        told: what reports show.
        enough: the mIoU on unseen pictures that is as good as the solution's.
        validated: the mIoU of the last model on the validation pictures, None where none was saved.
    """

    made: Made
    judgement: Judgement
    told: SmokeTraining
    enough: float
    validated: float | None


def put_together(
    plan: Plan, made: Made, evaluator: Subject, measurements: Measurements, rng: np.random.Generator
) -> Trained:
    """Evaluate the weights of a run on the validation pictures and on unseen ones, and judge it.

    Raises:
        CheckFailed: the weights cannot be read, or are another network's.
    """
    record, run = made.run, read_run(made.run.history, plan.name, plan.epochs)
    secret, known = unseen(rng), validation(*plan.images)
    counts, validated, shown = None, None, None
    if record.kept is not None and "last" in (record.kept_name or ""):
        images = np.concatenate([secret.images, known.images])
        guesses = predicted(evaluator, plan, record.kept, images)
        ours, theirs = guesses[: len(secret.images)], guesses[len(secret.images) :]
        counts, validated = confusion(secret.classes, ours), miou(confusion(known.classes, theirs))
        shown = _shown(secret, ours, counts, measurements)
    judgement = judge(record, run, counts, measurements)
    told = SmokeTraining(
        name=plan.name,
        title=plan.title,
        command=made.command.line,
        epochs=plan.epochs,
        verdict=judgement.verdict,
        explanation=judgement.explanation,
        run=run,
        band=measurements.band(),
        published=plan.published,
        rates=learning_rates(record, plan.epochs),
        unseen=shown,
    )
    return Trained(made, judgement, told, measurements.enough(), validated)


def _shown(secret: Labelled, guesses: Pixels, counts: Counts, measurements: Measurements) -> Unseen:
    low, median, high = measurements.unseen()
    return Unseen(
        images=len(secret.images),
        miou=miou(counts),
        low=low,
        median=median,
        high=high,
        classes=CLASSES,
        class_iou=rounded(class_iou(counts)),
        median_class_iou=measurements.median_class_iou(),
        confusion=tuple(tuple(int(count) for count in row) for row in counts),
        samples=samples(secret, guesses),
    )


def compare_with_history(trained: Trained) -> bool:
    """Compare what a history tells of the last model with what the model does; False if there is nothing to compare.

    Raises:
        CheckFailed: they contradict each other.
    """
    run, epochs = trained.told.run, trained.told.epochs
    if run is None or trained.validated is None or run.val_miou.steps[-1:] != (epochs - 1,):
        return False
    told = run.val_miou.values[-1]
    if abs(told - trained.validated) <= CONTRADICTION.absolute:
        return True
    found = f"{told:.4f} in history.csv, {trained.validated:.4f} by the saved model"
    raise CheckFailed(
        Finding(
            message="history.csv does not tell what the saved model does.",
            expected="the validation mIoU of the last epoch, as the last model has it",
            found=found,
            example=trained.made.command.line,
        ),
        contradiction=f"{trained.told.title}: validation mIoU {found}",
    )
