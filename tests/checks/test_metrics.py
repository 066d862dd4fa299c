"""Part 2: the mean IoU, each rule of the handout by itself.

What is expected is computed here, in numpy, from the handout's formula. Hypothesis draws the label maps, so that a
failure shows the smallest batch that has it; scores are drawn around them, with the predicted label on top.
"""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from grader.checking import CheckFailed, Subject, expect_close, fail
from grader.checking.tolerances import tolerance
from grader.records import Edition, Finding

IGNORED = 255
VALUE = tolerance(
    "metrics.value",
    "absolute",
    "float32 is off by 1e-7; a divisor with 1e-5 added to avoid 0, by 1e-5 at most; who rounds to four digits, by 5e-5",
    rule=6e-5,
)
PRINTED = tolerance(
    "metrics.printed", "absolute", "str() shows two digits: off by half of the last one; more are fine", rule=0.0051
)

Labels = NDArray[np.int64]


def scores(predicted: Labels, classes: int, seed: int = 0) -> NDArray[np.float32]:
    """Random scores (b, c, h, w) whose highest is at the predicted label (b, h, w)."""
    noise = np.random.default_rng(seed).normal(size=(len(predicted), classes, *predicted.shape[1:]))
    top = noise.max(axis=1, keepdims=True) + 1
    is_predicted = np.arange(classes)[None, :, None, None] == predicted[:, None]
    return np.where(is_predicted, top, noise).astype(np.float32)


def mean_iou(batches: Sequence[tuple[Labels, Labels]], classes: int) -> float:
    """The handout's formula over (predicted, target) batches: the mean over all classes of TP / (TP + FP + FN)."""
    confusion = np.zeros((classes, classes))
    for predicted, target in batches:
        counted = target != IGNORED
        np.add.at(confusion, (target[counted], predicted[counted]), 1)
    true = confusion.diagonal()
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - true
    return float(np.where(union > 0, true / np.maximum(union, 1), 0).mean())


def update(predicted: Labels, target: Labels, classes: int, seed: int = 0) -> dict[str, Any]:
    """A step of the probe: one batch."""
    return {"do": "update", "prediction": scores(predicted, classes, seed), "target": target}


READ, RESET = {"do": "read"}, {"do": "reset"}


def show(batches: Sequence[tuple[Labels, Labels]], classes: int) -> str:
    """Write label maps out side by side, as a student would draw them."""
    lines = [f"{classes} classes"]
    for number, pair in enumerate(batches, start=1):
        for image, (predicted, target) in enumerate(zip(*pair, strict=True), start=1):
            which = f"update {number}, image {image}" if len(batches) * len(pair[0]) > 1 else "one update, one image"
            sides = [[" ".join(f"{label:>3}" for label in row) for row in side] for side in (predicted, target)]
            width = max(len("predicted"), len(sides[0][0]))
            rows = [("predicted", "target"), *zip(*sides, strict=True)]
            lines += [f"{which}:", *(f"  {left:<{width}}   {right}" for left, right in rows)]
    return "\n".join(lines)


def judge(
    student: Subject,
    batches: Sequence[tuple[Labels, Labels]],
    classes: int,
    message: str,
    before: Sequence[dict[str, Any]] = (),
) -> None:
    """Update with all batches, and compare the mIoU with the handout's formula.

    It is read after each of them, since mistakes that end in the same value get there in different ways. The steps
    `before` leave nothing behind in a metric that is right.
    """
    steps = [*before]
    steps += [step for number, pair in enumerate(batches) for step in (update(*pair, classes, seed=number), READ)]
    reading = student.metrics_run(classes=classes, steps=steps)[-1]
    expect_close(reading["miou"], mean_iou(batches, classes), VALUE, message, example=show(batches, classes))


@st.composite
def label_maps(draw: st.DrawFn, labels: Sequence[int], images: int = 1, *, every: bool = False) -> Labels:
    """Label maps (b, h, w) out of `labels`; with `every`, each label occurs."""
    least = len(labels) if every else 1
    width = draw(st.integers(1, 4))
    height = draw(st.integers(-(-least // (width * images)), 5))
    count = images * height * width
    first = list(labels) if every else []
    rest = draw(st.lists(st.sampled_from(labels), min_size=count - len(first), max_size=count - len(first)))
    values = draw(st.permutations(first + rest)) if every else rest
    return np.array(values, dtype=np.int64).reshape(images, height, width)


@st.composite
def batch(draw: st.DrawFn, classes: int, targets: Sequence[int], images: int = 1) -> tuple[Labels, Labels]:
    """A (predicted, target) pair in which every label of `targets` occurs in the target, and each class is hit once."""
    target = draw(label_maps(targets, images, every=True))
    flat = draw(st.lists(st.integers(0, classes - 1), min_size=target.size, max_size=target.size))
    predicted = np.array(flat, dtype=np.int64).reshape(target.shape)
    for label in set(targets) - {IGNORED}:
        first = tuple(np.argwhere(target == label)[0])
        predicted[first] = label
    return predicted, target


@given(classes=st.integers(2, 5), data=st.data())
def test_perfect_prediction(student: Subject, classes: int, data: st.DataObject) -> None:
    """A prediction that equals its target in every pixel has an mIoU of 1, and a wrong one has not."""
    target = data.draw(label_maps(range(classes), every=True))
    judge(student, [(target, target)], classes, "Every pixel is right, but the mIoU is not 1.")
    wrong = [((target + 1) % classes, target)]
    (reading,) = student.metrics_run(classes=classes, steps=[update(*wrong[0], classes), READ])
    if reading["miou"] == 1:
        fail("No pixel is right, and the mIoU is 1.", expected="less than 1", found="1", example=show(wrong, classes))


def test_worked_example(student: Subject) -> None:
    """The worked example of the handout, three classes on 4 x 4 pixels, gives the value that is worked out there."""
    confusion = [[6, 1, 1], [0, 4, 0], [2, 1, 1]]
    pairs = [(p, t) for t, row in enumerate(confusion) for p, count in enumerate(row) for _ in range(count)]
    predicted, target = (np.array(side).reshape(1, 4, 4) for side in zip(*pairs, strict=True))
    judge(student, [(predicted, target)], 3, "The handout's worked example gives another value.")


@given(classes=st.integers(2, 5), data=st.data())
def test_one_image(student: Subject, classes: int, data: st.DataObject) -> None:
    """The mIoU of a single image in which every class occurs is the handout's."""
    judge(student, [data.draw(batch(classes, range(classes)))], classes, "The mIoU of one image is wrong.")


@given(classes=st.integers(3, 5), data=st.data())
def test_absent_classes(student: Subject, classes: int, data: st.DataObject) -> None:
    """A class absent from prediction and target contributes an IoU of 0 to the mean."""
    target = data.draw(label_maps(range(classes - 1)))
    message = "A class without a single pixel has to count as 0 in the mean over all classes."
    # Of a perfect prediction, leaving a class out and counting it as 1 give the same. What comes out of a wrong one is
    # not judged here, where other rules would show, too: it is there to tell these mistakes apart.
    wrong = update((target + 1) % (classes - 1), target, classes, seed=1)
    reading, _ = student.metrics_run(classes=classes, steps=[update(target, target, classes), READ, wrong, READ])
    batches = [(target, target)]
    expect_close(reading["miou"], mean_iou(batches, classes), VALUE, message, example=show(batches, classes))


@given(data=st.data())
def test_never_right(student: Subject, data: st.DataObject) -> None:
    """A class that is predicted only where it is wrong contributes an IoU of 0."""
    target = data.draw(label_maps([0, 1, 2], every=True))
    predicted = np.array([1, 2, 2])[target]
    judge(student, [(predicted, target)], 3, "Classes 0 and 1 are never right here, so each has to count as 0.")


@given(classes=st.integers(2, 4), updates=st.integers(1, 3), data=st.data())
def test_accumulates(student: Subject, classes: int, updates: int, data: st.DataObject) -> None:
    """Updates with batches of different sizes and classes give the mIoU of all their pixels together."""
    whole = data.draw(batch(classes, range(classes), images=2))
    more = [
        data.draw(batch(classes, [data.draw(st.integers(0, classes - 1))], images=data.draw(st.integers(1, 2))))
        for _ in range(updates)
    ]
    judge(student, [whole, *more], classes, "The mIoU over several images or updates is wrong.")


def test_nothing_seen(student: Subject) -> None:
    """Before any update, and after reset, the mIoU is 0.0; in between it is not."""
    target = np.array([[[0, 1], [2, 1]]])
    before, between, after = student.metrics_run(classes=3, steps=[READ, update(target, target, 3), READ, RESET, READ])
    for reading, moment in ((before, "before the first update"), (after, "right after reset()")):
        expect_close(reading["miou"], 0.0, VALUE, f"The mIoU has to be 0 {moment}.", example=f"mIoU() {moment}")
    if between["miou"] == 0:
        fail("The mIoU is 0 whatever is seen.", expected="more than 0", found="0", example=show([(target, target)], 3))


@given(data=st.data())
def test_reset(student: Subject, data: st.DataObject) -> None:
    """After reset only what comes later counts."""
    before, after = data.draw(batch(3, range(3))), data.draw(batch(3, range(3)))
    steps = [update(*before, 3), RESET, update(*after, 3, seed=1), READ]
    (reading,) = student.metrics_run(classes=3, steps=steps)
    example = f"{show([before], 3)}\nreset()\n{show([after], 3)}"
    message = "What was seen before reset() still counts."
    expect_close(reading["miou"], mean_iou([after], 3), VALUE, message, example=example)


@given(classes=st.integers(2, 4), data=st.data())
def test_ignored_label(student: Subject, classes: int, data: st.DataObject) -> None:
    """A pixel with the label 255 counts for no class, whatever is predicted there, also where all have this label."""
    pair = data.draw(batch(classes, [*range(classes), IGNORED]))
    only_ignored = update(pair[0], np.full_like(pair[1], IGNORED), classes)
    message = "Pixels labelled 255 have to be left out of every count."
    judge(student, [pair], classes, message, before=[only_ignored, RESET])


def test_many_classes(student: Subject, rng: np.random.Generator) -> None:
    """The mIoU of nineteen classes on larger, non-square images is the handout's, also if one has most pixels."""
    shape = (2, 184, 192)
    target = np.where(rng.random(shape) < 0.8, 7, rng.integers(0, 19, size=shape))
    predicted = np.where(rng.random(target.shape) < 0.7, target, rng.integers(0, 19, size=target.shape))
    (reading,) = student.metrics_run(classes=19, steps=[update(predicted, target, 19), READ])
    expected = mean_iou([(predicted, target)], 19)
    expect_close(reading["miou"], expected, VALUE, "With 19 classes and images of 184 x 192 the mIoU is wrong.")


def test_text(student: Subject, rng: np.random.Generator) -> None:
    """`str()` names the measure and gives the value that `mIoU()` gives, whatever it is."""
    target = rng.integers(0, 3, size=(1, 6, 8))
    predicted = np.where(rng.random(target.shape) < 0.7, target, (target + 1) % 3)
    printed = {**READ, "text_first": True}  # as a trainer may print it: what it shows must not wait for mIoU()
    steps = [update(predicted, target, 3), printed, RESET, update(target, target, 3), printed]
    readings = student.metrics_run(classes=3, steps=steps)
    message = "str() should name the measure and its value."
    for reading in readings:
        match = re.search(r"miou\W*?(-?\d+(?:\.\d*)?(?:e-?\d+)?)", reading["text"], re.IGNORECASE)
        if match is None:
            fail(message, expected=f"'mIoU: {reading['miou']:.2f}'", found=repr(reading["text"]))
        expect_close(float(match[1]), reading["miou"], PRINTED, message, example=f"str() gave {reading['text']!r}")
    if readings[0]["text"] == readings[1]["text"]:
        fail("str() says the same whatever is seen.", expected="the value that mIoU() gives", found=readings[0]["text"])


def valid(b: int = 2, h: int = 4, w: int = 5) -> tuple[NDArray[np.float32], Labels]:
    """A batch that a three-class metric accepts."""
    target = np.arange(b * h * w).reshape(b, h, w) % 3
    return scores(target, 3), target


class Case(NamedTuple):
    """An input for a three-class metric, and how a student would describe it."""

    prediction: NDArray[Any]
    target: NDArray[Any]
    example: str
    as_list: str | None = None


def expect_rejections(student: Subject, rng: np.random.Generator, error: str, forbidden: Sequence[Case]) -> None:
    """Fail unless `error` is raised on purpose for each forbidden case, and nothing for the valid ones among them.

    With valid batches in between, neither a metric that refuses everything nor one that only claims to refuse passes.
    Some of the forbidden cases refused as they should be are worth their share of the points.
    """
    allowed = [Case(*valid(h=int(height)), f"a valid batch of height {height}") for height in rng.integers(2, 9, 4)]
    cases = [*forbidden, *allowed]
    order = rng.permutation(len(cases))
    inputs = [{name: value for name, value in cases[i]._asdict().items() if name != "example"} for i in order]
    reactions = student.metrics_reactions(classes=3, inputs=inputs)
    accepted = []
    for i, reaction in sorted(zip(order.tolist(), reactions, strict=True)):
        if i < len(forbidden):
            try:
                expect_refusal(reaction, error, cases[i].example)
            except CheckFailed as failure:
                accepted.append(failure.finding)
        elif error in reaction["bases"] and reaction["accident"] is None:
            found = f"{reaction['raised']}: {reaction['message']}"
            fail("An input that is right was refused.", expected="no error", found=found, example=cases[i].example)
    if accepted:
        raise CheckFailed(_together(accepted, len(forbidden)), score=round(1 - len(accepted) / len(forbidden), 2))


def _together(findings: Sequence[Finding], cases: int) -> Finding:
    """The first of several findings, with the inputs that the others are about."""
    if len(findings) == 1 or len(findings) == cases:
        return findings[0]
    message = f"{findings[0].message} So it is for {len(findings)} of {cases} kinds of input."
    return findings[0].model_copy(update={"message": message, "example": "; ".join(str(f.example) for f in findings)})


def expect_refusal(reaction: dict[str, Any], error: str, example: str) -> None:
    """Fail unless an input was refused by an `error` that was raised on purpose."""
    if reaction["raised"] is None:
        fail("An input that makes no sense was accepted.", expected=error, found="no error", example=example)
    if error not in reaction["bases"]:
        found = f"{reaction['raised']}: {reaction['message']}"
        fail("The wrong kind of error was raised.", expected=error, found=found, example=example)
    if reaction["accident"] is not None:
        fail(
            f"{error} came by accident: an operation failed, before any check of the input.",
            expected=f"raise {error}(...) with a message that says what was expected and what was found",
            found=f"{reaction['message']!r} in {reaction['accident']}",
            example=example,
        )


def test_rejects_wrong_rank(student: Subject, rng: np.random.Generator) -> None:
    """A prediction that is not (b, c, h, w), or a target that is not (b, h, w), raises ValueError."""
    prediction, target = valid()
    cases = [
        Case(prediction[0], target[0], "a prediction (3, 4, 5) with a target (4, 5)"),
        Case(prediction[0], target, "a prediction (3, 4, 5) with a target (2, 4, 5)"),
        Case(prediction[..., 0], target[..., 0], "a prediction (2, 3, 4) with a target (2, 4)"),
        Case(prediction[..., None], target, "a prediction (2, 3, 4, 5, 1) with a target (2, 4, 5)"),
        Case(prediction, target[0], "a prediction (2, 3, 4, 5) with a target (4, 5)"),
        Case(prediction, target[:, None], "a prediction (2, 3, 4, 5) with a target (2, 1, 4, 5)"),
    ]
    expect_rejections(student, rng, "ValueError", cases)


def test_rejects_unequal_sizes(student: Subject, rng: np.random.Generator) -> None:
    """A prediction and a target of different batch size, height or width raise ValueError."""
    prediction, target = valid()
    cases = [
        Case(prediction, target[:1], "2 predictions with 1 target"),
        Case(prediction, target[:, :3], "a prediction of height 4 with a target of height 3"),
        Case(prediction, target[:, :, :4], "a prediction of width 5 with a target of width 4"),
        Case(prediction, target.reshape(2, 5, 4), "a prediction of 4 x 5 with a target of 5 x 4"),
    ]
    expect_rejections(student, rng, "ValueError", cases)


def test_rejects_class_count(student: Subject, rng: np.random.Generator) -> None:
    """A prediction with more or fewer score maps than the metric has classes raises ValueError."""
    _, target = valid()
    cases = [
        Case(scores(target % 2, channels), target, f"a prediction with {channels} score maps for a metric of 3 classes")
        for channels in (2, 4)
    ]
    expect_rejections(student, rng, "ValueError", cases)


def test_rejects_labels(student: Subject, rng: np.random.Generator, edition: Edition) -> None:
    """A target with a label other than 0..c-1 and 255, or of another type than an integer one, raises ValueError.

    Of types the published handout says nothing.
    """
    prediction, target = valid()
    types = [
        Case(prediction, target.astype(np.float32), "a target of floating-point numbers"),
        Case(prediction, target == 1, "a target of True and False"),
    ]
    cases = types if edition == "current" else []
    for label in (3, -1, 254, 256):
        prediction, target = valid()
        target[1, 2, 3] = label
        cases.append(Case(prediction, target, f"a target with the label {label}, of 3 classes"))
    expect_rejections(student, rng, "ValueError", cases)


def test_rejects_non_tensors(student: Subject, rng: np.random.Generator) -> None:
    """A prediction or a target that is not a tensor raises TypeError."""
    names = ("prediction", "target")
    cases = [Case(*valid(), f"a {name} given as a list", as_list=name) for name in names]
    expect_rejections(student, rng, "TypeError", cases)


def test_inputs_unchanged(student: Subject) -> None:
    """Updating counts the batch, and changes neither the prediction nor the target."""
    _, target = valid()
    target[0, 0, :2] = IGNORED
    mious = []
    for predicted in (target % IGNORED, (target + 1) % 3):
        prediction = scores(predicted, 3)
        after = student.metrics_update_and_return(classes=3, prediction=prediction, target=target)
        for name, before in (("prediction", prediction), ("target", target)):
            if not np.array_equal(after[name], before):
                fail(f"update() changed its {name}.", expected="the same values as before", found="other values")
        mious.append(after["miou"])
    if not mious[0] > mious[1]:
        expected = "a higher mIoU for a prediction that is right everywhere than for one that is right nowhere"
        fail("update() does not count what it is given.", expected=expected, found="{:g} and {:g}".format(*mious))
