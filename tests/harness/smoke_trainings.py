"""Example smoke trainings for the tests of reports: curves, images and numbers that fit together, as of a real run."""

import base64
import io
from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from grader.experiments.curves import METRICS
from grader.lookalikes.figures import BREEDS
from grader.lookalikes.pets import draw_pet
from grader.records import Band, Run, Sample, Series, SmokeTraining, TrainingVerdict, Unseen

CLASSES = ("pet", "background", "border")
SIDE = 64
EPOCHS = 8
Labels = NDArray[np.uint8]


def as_good() -> SmokeTraining:
    """A training that is as good as the reference's, with everything that a training can have."""
    return SmokeTraining(
        name="segformer_scratch",
        title="SegFormer, from scratch",
        command="python train_segformer.py --dataset oxford --epochs 8 --batch-size 16",
        epochs=EPOCHS,
        verdict=TrainingVerdict.AS_REFERENCE,
        explanation=f"On unseen images its mIoU is {unseen().miou:.3f}, within the reference's range.",
        run=curves("submission", 0.02),
        band=band(),
        published="segformer_scratch",
        rates=Series(tuple(range(EPOCHS)), tuple(0.001 * 0.98**epoch for epoch in range(EPOCHS))),
        unseen=unseen(),
    )


def overfits() -> SmokeTraining:
    """A training that broke off before its end, whose validation grows worse, and whose weights nobody could load."""
    whole = curves("submission", -0.04)
    rising = Series((0, 2, 4), (1.02, 1.2, 2.9))
    run = replace(cut(whole, 5), val_loss=rising, val_miou=Series((0, 2, 4), (0.31, 0.29, 0.26)))
    return SmokeTraining(
        name="fcn_scratch",
        title="FCN, from scratch",
        command="python train.py --weights scratch --epochs 8 --batch-size 16",
        epochs=EPOCHS,
        verdict=TrainingVerdict.OVERFITS,
        explanation="Since epoch 0 the validation loss has risen from 1.02 to 2.90, while the training loss fell.",
        run=run,
        band=band(),
        published="fcn_scratch",
    )


def bare(text: str, verdict: TrainingVerdict = TrainingVerdict.BROKE_OFF) -> SmokeTraining:
    """A training of which nothing is known but that it was tried; every text of it is `text`."""
    return SmokeTraining(
        name=text, title=text, command=text, epochs=1, verdict=verdict, explanation=text, band=band(epochs=1)
    )


def curves(name: str, lift: float, epochs: int = EPOCHS) -> Run:
    """Curves as of a training from scratch, validated in every second epoch; `lift` is added to each mIoU."""
    every = np.arange(epochs)
    second = np.union1d(np.arange(0, epochs, 2), [epochs - 1])
    values = {
        "train_loss": (every, 0.45 + 0.6 * np.exp(-every / 3) - lift),
        "train_miou": (every, 0.68 - 0.36 * np.exp(-every / 3) + lift),
        "val_loss": (second, 0.58 + 0.4 * np.exp(-second / 3) - lift),
        "val_miou": (second, 0.6 - 0.26 * np.exp(-second / 3) + lift),
    }
    series = {
        metric: Series(tuple(steps.tolist()), tuple(points.tolist())) for metric, (steps, points) in values.items()
    }
    return Run(name, **series)


def cut(run: Run, epochs: int) -> Run:
    """What a run had written when it broke off after so many epochs."""
    shorter = {}
    for metric in METRICS:
        series: Series = getattr(run, metric)
        kept = sum(step < epochs for step in series.steps)
        shorter[metric] = Series(series.steps[:kept], series.values[:kept])
    return Run(run.name, **shorter)


def band(epochs: int = EPOCHS) -> Band:
    """The reference's trainings of five seeds."""
    worst, median, best = (curves(f"reference, {name}", lift, epochs) for name, lift in LIFTS.items())
    low = replace(worst, train_loss=best.train_loss, val_loss=best.val_loss)
    high = replace(best, train_loss=worst.train_loss, val_loss=worst.val_loss)
    return Band(seeds=5, low=low, median=median, high=high)


LIFTS = {"worst": -0.05, "median": 0.0, "best": 0.04}


@cache
def unseen() -> Unseen:
    """What a network found in pets that were drawn for it."""
    samples = tuple(sample(number) for number in range(4))
    truth, predicted = (
        np.stack([labels_of(getattr(each, which)) for each in samples]) for which in ("truth", "predicted")
    )
    confusion = np.zeros((3, 3), np.int64)
    np.add.at(confusion, (truth.ravel(), predicted.ravel()), 1)
    of_classes = class_iou(confusion)
    return Unseen(
        images=48,
        miou=float(of_classes.mean()),
        low=0.62,
        median=0.66,
        high=0.69,
        classes=CLASSES,
        class_iou=tuple(of_classes.tolist()),
        median_class_iou=(0.67, 0.86, 0.45),
        confusion=tuple(tuple(row) for row in (12 * confusion).tolist()),
        samples=samples,
    )


def sample(number: int) -> Sample:
    """The look-alike of a pet, with a prediction that is off at outlines, at random, and at the left."""
    rng = np.random.default_rng([4, number])
    picture = draw_pet(rng, BREEDS[number])
    image = Image.fromarray(picture.image).resize((SIDE, SIDE), Image.Resampling.NEAREST)
    resized = Image.fromarray(picture.labels).resize((SIDE, SIDE), Image.Resampling.NEAREST)
    truth = np.asarray(resized) - np.uint8(1)
    moved = np.roll(truth, (2, 1), axis=(0, 1))
    noisy = np.where(rng.random(truth.shape) < 0.03, rng.integers(0, 3, truth.shape), moved).astype(np.uint8)
    noisy[20 + 4 * number : 44, : 12 + 3 * number] = 1
    confusion = np.zeros((3, 3), np.int64)
    np.add.at(confusion, (truth.ravel(), noisy.ravel()), 1)
    return Sample(
        image=encoded(np.asarray(image), "JPEG", quality=90),
        truth=encoded(truth, "PNG"),
        predicted=encoded(noisy, "PNG"),
        miou=float(class_iou(confusion).mean()),
    )


def class_iou(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """The IoU of each class, from pixels by true (rows) and predicted class."""
    found = np.diag(confusion)
    return found / (confusion.sum(0) + confusion.sum(1) - found)


def encoded(pixels: NDArray[np.uint8], form: str, **options: int) -> str:
    """An image file in Base64."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format=form, **options)
    return base64.b64encode(file.getvalue()).decode()


def labels_of(text: str) -> Labels:
    """The labels that an image file in Base64 holds."""
    with Image.open(io.BytesIO(base64.b64decode(text))) as image:
        return np.asarray(image)
