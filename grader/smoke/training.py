"""One smoke training of a submission, put together: its curves, its weights on unseen pictures, and the verdict."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from grader.checking import CheckFailed, NotScored, Subject
from grader.checking.level_orders import ORDER, ORDERS
from grader.checking.script_runs import Made
from grader.checking.tolerances import tolerance
from grader.records import Finding, Run, SmokeTraining, TrainingVerdict, Unseen
from grader.sandbox import WorkerLost
from grader.smoke.bands import Measurements
from grader.smoke.judging import Judgement, judge
from grader.smoke.pictures import CLASSES, Labelled, Pixels, draw_unseen, validation
from grader.smoke.plans import Plan
from grader.smoke.results import EVALUATION_SECONDS, learning_rates, predicted, read_run
from grader.smoke.unseen import Counts, class_iou, confusion, miou, rounded, samples

CONTRADICTION = tolerance(
    "smoke.history",
    "absolute",
    "the same weights by another implementation: near ties, a pixel in a thousand, go to another class",
    rule=0.005,
)


class Evaluated(NamedTuple):
    """What the last model of a run makes of the validation pictures, and of unseen ones."""

    validated: float
    counts: Counts
    guesses: Pixels


@dataclass(frozen=True)
class Trained:
    """A smoke training and what was made of it.

    Args:
        made: the run of the script.
        judgement: the verdict.
        told: what reports show.
        enough: the mIoU on unseen pictures that is as good as the solution's.
        validated: the mIoU of the last model on the validation pictures, None where it could not be evaluated.
        obstacle: why not, if its file is to blame.
    """

    made: Made
    judgement: Judgement
    told: SmokeTraining
    enough: float
    validated: float | None
    obstacle: Exception | None


def put_together(
    plan: Plan, made: Made, evaluator: Subject, measurements: Measurements, rng: np.random.Generator
) -> Trained:
    """Evaluate the weights of a run on the validation pictures and on unseen ones, and judge it."""
    noted, run = made.run, read_run(made.run.history, plan.name, plan.epochs)
    secret, evaluated, obstacle = draw_unseen(rng), None, None
    if noted.last is not None:
        try:
            evaluated = _evaluate(plan, noted.last, run, evaluator, secret, measurements.enough())
        except (CheckFailed, NotScored, WorkerLost) as error:
            obstacle = _blamed(error)
    counts = evaluated.counts if evaluated else None
    judgement = judge(plan, noted, run, counts, measurements)
    if obstacle is not None:
        judgement = Judgement(TrainingVerdict.BROKE_OFF, str(obstacle))
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
        rates=learning_rates(noted, plan),
        unseen=_shown(secret, evaluated, measurements) if evaluated else None,
    )
    return Trained(made, judgement, told, measurements.enough(), evaluated.validated if evaluated else None, obstacle)


def _blamed(error: CheckFailed | NotScored | WorkerLost) -> Exception:
    """What came of a file that could not be evaluated; a slow host is nobody's fault."""
    message = f"The saved weights could not be evaluated. {error}"
    if isinstance(error, CheckFailed):
        return CheckFailed(error.finding.model_copy(update={"message": message}))
    if isinstance(error, WorkerLost) and error.kind != "time":
        return CheckFailed(Finding(message=message))
    return NotScored(message)


def _evaluate(
    plan: Plan, weights: np.ndarray, run: Run | None, evaluator: Subject, secret: Labelled, enough: float
) -> Evaluated:
    """Evaluate weights, with the levels of a SegFormer in the order that they were trained in.

    That order is the first that gives what the history tells (without a history: is good enough), else the best one.
    """
    evaluator.allow(EVALUATION_SECONDS)
    known = validation(*plan.images)
    told = run.val_miou.values[-1] if run is not None else None
    best, validated = ORDER, -1.0
    for order in ORDERS if plan.name == "segformer" else [ORDER]:
        score = miou(confusion(known.classes, predicted(evaluator, plan, weights, known.images, order)))
        if score > validated:
            best, validated = order, score
        if score >= enough if told is None else abs(score - told) <= allowed(told):
            break
    guesses = predicted(evaluator, plan, weights, secret.images, best)
    return Evaluated(validated, confusion(secret.classes, guesses), guesses)


def allowed(told: float) -> float:
    """How far the validation mIoU of a history may be off: that, and what its last digit was rounded by."""
    digits = len(repr(told).partition(".")[2])
    return CONTRADICTION.absolute + 0.5 * 10.0 ** -max(digits, 2)


def _shown(secret: Labelled, evaluated: Evaluated, measurements: Measurements) -> Unseen:
    low, median, high = measurements.miou_range()
    return Unseen(
        images=len(secret.images),
        miou=miou(evaluated.counts),
        low=low,
        median=median,
        high=high,
        classes=CLASSES,
        class_iou=rounded(class_iou(evaluated.counts)),
        median_class_iou=measurements.median_class_iou(),
        confusion=tuple(tuple(int(count) for count in row) for row in evaluated.counts),
        samples=samples(secret, evaluated.guesses),
    )


def compare_with_history(trained: Trained) -> bool:
    """Compare what a history tells of the last model with what the model does; False if there is nothing to compare.

    Raises:
        CheckFailed: they contradict each other.
    """
    run, epochs = trained.told.run, trained.told.epochs
    if run is None or trained.validated is None or run.val_miou.steps[-1] != epochs - 1:
        return False
    told = run.val_miou.values[-1]
    if abs(told - trained.validated) <= allowed(told):
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
