"""Part 3: the training loop, each rule of the handout by itself.

A trainer gets a tiny network, a real optimizer and so on, which note what is done with them (`grader.probes.trainer`);
the checks read these notes. How a trainer is written makes no difference to them, nor where in it something happens.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from grader.checking import NotScored, Subject, expect_close, fail, fail_by_difference, nearest
from grader.checking.shared_runs import Shared
from grader.checking.tolerances import tolerance
from grader.checking.watched_training import (
    RETURNED,
    TAKERS,
    WORDS,
    Masks,
    Watched,
    describe,
    equal,
    expect_gradients,
    expect_predictions,
    expect_samples,
    expect_scores,
    fingerprint,
    labels_given,
    listed,
    mistaken_for,
    phases,
    returned,
    samples,
    saved,
    shapes_given,
    times,
    validated,
)
from grader.records import Edition

STEPS = tolerance("trainer.steps", "relative", "three steps in float32, over samples in another order")

SEEDS = 1 << 31
TRAIN, VAL = 10, 7
SIZE = (4, 6)
IGNORED = 255


def masks(rng: np.random.Generator, labels: Sequence[int], train: int = TRAIN, val: int = VAL) -> Masks:
    """Random masks (n, h, w) to train on and to validate on; in each one the first and the last label occur."""
    drawn = {split: rng.choice(labels, size=(count, *SIZE)) for split, count in (("train", train), ("val", val))}
    for of_split in drawn.values():
        of_split[:, 0, :2] = labels[0], labels[-1]
    return {split: of_split.astype(np.uint8) for split, of_split in drawn.items()}


def case(rng: np.random.Generator, train: int = TRAIN, val: int = VAL, **options: Any) -> dict[str, Any]:
    """Arguments of the probe: street scenes, three epochs of batches of 4, validation every other epoch."""
    drawn = masks(rng, range(19), train, val)
    base = {"epochs": 3, "batch_size": 4, "val_frequency": 2, "weights": int(rng.integers(SEEDS))}
    return {"masks": drawn, **base, **options}


Watch = Callable[[], Watched]


@pytest.fixture(scope="module")
def shared() -> Shared[Watched]:
    """What several checks of this grading watch."""
    return Shared()


@pytest.fixture
def watched(student: Subject, shared: Shared[Watched], rng: np.random.Generator) -> Watch:
    """The training of a `case` without options: one is enough for all rules that show in any training."""

    def train() -> Watched:
        arguments = case(rng)
        return Watched(arguments["masks"], student.trainer_run(**arguments))

    return lambda: shared.get("training", student, train)


def test_training_mode(watched: Watch) -> None:
    """Every training batch passes the network in training mode, also after a validation."""
    for phase in phases(watched().run, "train"):
        if not all(forward["training"] for forward in phase.all("forward")):
            message = f"The network trains in evaluation mode {'after a validation' if phase.epoch else 'at once'}."
            found = "evaluation mode: batch norm and dropout do not do what they do in training"
            fail(message, expected="training mode for every batch", found=found, where=phase.name)


def test_steps(watched: Watch) -> None:
    """The optimizer takes one step for each training batch, after its forward pass, and none in validation."""
    for phase in phases(watched().run):
        order = [event["what"] for event in phase.events if event["what"] in ("forward", "step")]
        batches, steps = order.count("forward"), order.count("step")
        if phase.kind == "val" and steps:
            fail("The optimizer takes steps in validation.", expected="no step", found=f"{steps}", where=phase.name)
        if phase.kind == "train" and order != ["forward", "step"] * batches:
            fail(
                f"The optimizer took {times(steps, 'step')} in an epoch of {batches} batches."
                if steps != batches
                else "The steps of the optimizer and the batches do not alternate.",
                expected=f"{batches}: one step after each batch",
                found=f"{steps}",
                where=phase.name,
            )


def test_fresh_gradients(watched: Watch) -> None:
    """At each step of the optimizer the gradients are those of its own batch alone."""
    steps = 0
    for phase in phases(watched().run, "train"):
        batch: set[int] = set()
        for event in phase.events:
            if event["what"] == "forward":
                batch = set(event["samples"])
            elif event["what"] == "step":
                steps += 1
                expect_gradients(batch, set(event["samples"]), f"{phase.name}, step {steps} of the training")
    if not steps:
        fail("The optimizer takes no step, so no gradient is used.", expected="a step for each batch", found="none")


def test_validation_mode(watched: Watch) -> None:
    """Every validation batch passes the network in evaluation mode."""
    for phase in phases(watched().run, "val"):
        if any(forward["training"] for forward in phase.all("forward")):
            found = "training mode: dropout is active, and batch norm learns from validation images"
            message = "Validation runs in training mode."
            fail(message, expected="evaluation mode for every batch", found=found, where=phase.name)


def test_validation_gradients(watched: Watch) -> None:
    """In validation no graph for gradients is built."""
    for phase in phases(watched().run, "val"):
        if any(forward["gradients"] for forward in phase.all("forward")):
            found = "scores with requires_grad=True: a graph is built and kept in memory"
            message = "Validation computes with gradients."
            fail(message, expected="scores that need no gradient", found=found, where=phase.name)


def test_training_data(watched: Watch) -> None:
    """In each epoch every training sample passes the network once, in batches of `batch_size`."""
    for phase in phases(watched().run, "train"):
        expect_samples(phase, range(TRAIN))
        sizes = [len(forward["samples"]) for forward in phase.all("forward")]
        if sorted(sizes) != [2, 4, 4]:
            message = "The batches do not have `batch_size` images."
            fail(message, expected="4, 4, 2 images of 10 with batch_size=4", found=listed(sizes), where=phase.name)


def test_validation_data(watched: Watch) -> None:
    """Every validation sample is validated on once, and nothing else."""
    for phase in phases(watched().run, "val"):
        expect_samples(phase, range(TRAIN, TRAIN + VAL))


def test_loss(watched: Watch) -> None:
    """The loss of an epoch is the mean over its samples, or over its batches, in training and in validation."""
    for phase in phases(watched().run):
        if not phase.all("loss"):
            fail(f"In {WORDS[phase.kind]} no loss is computed.", expected="loss_fn of each batch", where=phase.name)
        losses = np.array([loss["value"] for loss in phase.all("loss")])
        sizes = np.array([loss["size"] for loss in phase.all("loss")])
        loss, expected = returned(phase)[0], float((losses * sizes).sum() / sizes.sum())
        if nearest(loss, (expected, losses.mean()), RETURNED) is None:
            message = f"The loss that _{phase.kind}_epoch returns {mistaken_for(loss, losses, sizes)}."
            example = "batches of {}: losses {}".format(listed(sizes), listed(f"{one:.4f}" for one in losses))
            fail_by_difference(loss, expected, RETURNED, message, where=phase.name, example=example)


def test_metric_reset(watched: Watch) -> None:
    """Both metrics are reset between two of their epochs, and not within one."""
    run = watched().run
    of_phase = [phase["kind"] for phase in run["phases"]]
    if not any(event["what"] == "reset" for event in run["events"]):
        fail("No metric is ever reset.", expected="a reset before the first batch of each epoch", found="none")
    for kind in {phase.kind for phase in phases(run)}:
        last, fresh = None, True
        for event in [event for event in run["events"] if event.get("metric") == kind]:
            if event["what"] == "reset":
                fresh = True
            elif of_phase[event["phase"]] == kind:
                between, last, was_fresh, fresh = event["phase"] != last, event["phase"], fresh, False
                if between and not was_fresh:
                    fail(
                        f"{kind}_metric still holds the batches of an earlier epoch.",
                        expected="a reset before the first batch of each epoch",
                        found=f"no reset between two epochs of {WORDS[kind]}",
                    )
                if not between and was_fresh:
                    fail(
                        f"{kind}_metric is reset in the middle of an epoch.",
                        expected="one reset, before the first batch",
                        found="a reset between two batches of an epoch: only the last ones count",
                    )


def test_metric_updates(watched: Watch) -> None:
    """Each metric gets the scores and labels of every batch of its own epochs, and of no other."""
    drawn, run = watched()
    known = {fingerprint(mask): sample for sample, mask in enumerate(np.concatenate([*drawn.values()]))}
    for phase in phases(run):
        other = "val" if phase.kind == "train" else "train"
        if phase.all("update", metric=other):
            fail(
                f"{other}_metric is updated in {WORDS[phase.kind]}.", expected=f"{phase.kind}_metric", where=phase.name
            )
        given = [
            (known.get(fingerprint(labels), -1), predicted)
            for update in phase.all("update")
            for labels, predicted in zip(update["labels"], update["predicted"], strict=True)
        ]
        seen, counted = Counter(samples(phase.all("forward"))), Counter(sample for sample, _ in given)
        if counted != seen:
            found = f"{counted.total()} samples, {(seen - counted).total()} missing"
            message = f"{phase.kind}_metric does not get every batch once."
            expected = f"{seen.total()} samples, as the network saw them"
            fail(message, expected=expected, found=found, where=phase.name)
        expect_scores(phase)
        expect_predictions(phase, dict(given))


def test_miou(watched: Watch) -> None:
    """The mIoU that an epoch returns is that of its metric after the last batch."""
    for phase in phases(watched().run):
        miou, expected = returned(phase)[1], phase.notes["metric"]
        if expected is None:
            fail(f"{phase.kind}_metric is never updated.", expected="an update for each batch", where=phase.name)
        message = f"The mIoU that _{phase.kind}_epoch returns is not that of {phase.kind}_metric."
        expect_close(miou, expected, RETURNED, message, where=phase.name)


def test_dict_output(student: Subject, rng: np.random.Generator) -> None:
    """Where the network gives a dictionary, loss and metric get the scores under its key `out`."""
    for phase in phases(student.trainer_run(**case(rng, as_mapping=True))):
        for taker, (scores, _) in shapes_given(phase):
            if isinstance(scores, str):
                message = f"The {taker} gets the network's dictionary."
                fail(message, expected='the scores: output["out"]', found=scores, where=phase.name)


def test_label_shape(student: Subject, rng: np.random.Generator) -> None:
    """Labels (b, 1, h, w) reach loss and metric as (b, h, w), also in a batch of one image."""
    for phase in phases(student.trainer_run(**case(rng, train=9, val=5))):
        for taker, (scores, labels) in shapes_given(phase):
            if labels != [scores[0], *SIZE]:
                message = f"The {taker} gets labels of a wrong shape."
                expected = f"(b, h, w), here {(scores[0], *SIZE)}"
                fail(message, expected=expected, found=str(tuple(labels)), where=phase.name)


def test_pet_labels(student: Subject, rng: np.random.Generator) -> None:
    """The pets' labels 1, 2, 3 reach loss and metrics as 0, 1, 2, wherever the shift is done."""
    drawn = masks(rng, [1, 2, 3])
    run = student.trainer_run(**case(rng, masks=drawn, data="pets", own_class=True))
    given = labels_given(run, drawn)
    if all(np.array_equal(labels, mask) for *_, labels, mask in given) and shifted_by_script(student, rng):
        return
    for phase, what, labels, mask in given:
        if not np.array_equal(labels, mask - 1):
            message = f"The {TAKERS[what]} gets wrong labels of the pets."
            fail(message, expected=describe(mask - 1), found=describe(labels), where=phase.name)


def shifted_by_script(student: Subject, rng: np.random.Generator) -> bool:
    """Whether the labels reach the loss as 0, 1, 2 when `train.py` is run, whose transforms may shift them.

    Raises:
        NotScored: the script came to no loss, so that nobody can tell.
    """
    drawn = {split: rng.integers(1, 4, size=(4, 16, 16)).astype(np.uint8) for split in WORDS}
    script = student.trainer_script_labels(masks=drawn, size=16)
    if not script["labels"]:
        why = script["problem"] or "it came to no cross-entropy"
        raise NotScored(
            "The trainer hands the pets' labels 1, 2, 3 on as they are. Whether the transforms of train.py shift them "
            f"cannot be told, since it does not run with the arguments of this handout: {why}"
        )
    return bool(np.isin(script["labels"], (0, 1, 2)).all())


def test_street_labels(student: Subject, rng: np.random.Generator) -> None:
    """The labels of the streets reach loss and metrics as they are on disk, 255 among them."""
    # Without 0 and 1, taking 1 off every label and taking each batch's lowest label off give different labels.
    drawn = masks(rng, [*range(2, 19), IGNORED])
    run = student.trainer_run(**case(rng, masks=drawn, own_class=True))
    for phase, what, labels, mask in labels_given(run, drawn):
        if not np.array_equal(labels, mask):
            message = f"The {TAKERS[what]} gets other labels of the streets than are on disk."
            fail(message, expected=describe(mask), found=describe(labels), where=phase.name)


def test_scheduler(watched: Watch) -> None:
    """The scheduler takes one step from each epoch to the next, and none within one."""
    run = watched().run
    epochs = len(phases(run, "train"))
    trained: list[int] = []
    within, between = 0, Counter[int]()
    for event in run["events"]:
        if event["what"] == "forward" and run["phases"][event["phase"]]["kind"] == "train":
            within += between.pop(event["phase"], 0)
            trained.append(event["phase"])
        elif event["what"] == "scheduler":
            between[trained[-1] if trained else -1] += 1
    steps = within + between.total()
    inner = sorted(set(trained))[:-1]
    if within or any(between[phase] != 1 for phase in inner) or max(between.values(), default=0) > 1:
        when = ", also between its batches" if within else ""
        fail(
            f"The scheduler took {times(steps, 'step')} in {times(epochs, 'epoch')}{when}.",
            expected=f"{epochs}: one step at the end of each epoch",
            found=f"{steps}",
            example=f"{epochs} epochs of {len(trained) // epochs} batches",
        )


def test_validation_epochs(student: Subject, rng: np.random.Generator) -> None:
    """Validation runs once in epochs 0, f, 2f and so on, or in f-1, 2f-1 and so on, and in no other but the last."""
    for epochs, every in ((5, 2), (7, 3)):
        first, later = list(range(0, epochs, every)), list(range(every - 1, epochs, every))
        found = validated(student.trainer_run(**case(rng, epochs=epochs, val_frequency=every)))
        if found not in (first, later, [*later, epochs - 1]):
            fail(
                "Validation does not run in the epochs that val_frequency asks for.",
                expected=f"epochs {listed(first)}",
                found=f"epochs {listed(found)}",
                example=f"{epochs} epochs, val_frequency={every}",
            )


def test_validation_last(student: Subject, rng: np.random.Generator) -> None:
    """Validation also runs after the last epoch, if it is none of val_frequency's."""
    found = validated(student.trainer_run(**case(rng, epochs=6, val_frequency=4)))
    if 5 not in found:
        fail(
            "There is no validation after the last epoch.",
            expected="epochs 0, 4 and 5",
            found=f"epochs {listed(found)}",
            example="6 epochs, val_frequency=4",
        )


def up_and_down(rng: np.random.Generator) -> dict[str, list[float]]:
    """Scripts of mIoUs: validation is best in epoch 1; other ways to choose a model end in other epochs.

    The lowest value of validation is in epoch 2, the best of training in 3, the last one above the one before in 4.
    """
    ranks = {"train": [0, 1, 2, 5, 4, 3], "val": [1, 5, 0, 2, 4, 3]}
    mious = np.sort(rng.uniform(0.1, 0.9, 6))
    return {split: mious[order].tolist() for split, order in ranks.items()}


def test_best_model(student: Subject, rng: np.random.Generator) -> None:
    """`best` holds the weights of the epoch with the highest validation mIoU."""
    script = up_and_down(rng)
    run = student.trainer_run(**case(rng, epochs=6, val_frequency=1, gamma=1.0, scripts=script))
    moments = {phase.notes["passes"]: phase.epoch for phase in phases(run, "val")}
    epoch = moments.get(int(saved(run, "best")["passes"]))
    if epoch != 1:
        fail(
            "The best model is not the one of the highest validation mIoU.",
            expected="the weights of epoch 1",
            found="weights of no validation" if epoch is None else f"those of epoch {epoch}",
            example="validation mIoU by epoch: " + listed(f"{miou:.2f}" for miou in script["val"]),
        )


def test_last_model(student: Subject, rng: np.random.Generator, edition: Edition) -> None:
    """`last` is always there and holds the weights at the end of training, also where the first epoch was the best."""
    epochs = 5 if edition == "original" else 4  # the published trainer saves it in a validation
    falling = {"val": np.sort(rng.uniform(0.1, 0.9, epochs))[::-1].tolist()}
    run = student.trainer_run(**case(rng, epochs=epochs, val_frequency=2, scripts=falling))
    phases(run, "train")
    state = saved(run, "last")
    if not equal(state, run["final"]):
        message = "The last model is not the one at the end of training."
        fail(message, expected="the weights after the last epoch", found="other weights")


def test_learns(student: Subject, reference: Subject, rng: np.random.Generator) -> None:
    """Three epochs of one batch each leave the weights that they leave in the reference."""
    options = case(rng, train=6, batch_size=6, val_frequency=1, gamma=1.0, momentum=0.5)
    found, expected = (subject.trainer_run(**options)["final"] for subject in (student, reference))
    for name, value in expected.items():
        message = "After three epochs the weights are others than the reference's."
        expect_close(
            found[name], value, STEPS, message, where=name, example="6 images, batch_size=6, SGD with momentum"
        )


def test_dispose(student: Subject, rng: np.random.Generator) -> None:
    """`dispose()` can be called after a training."""
    phases(student.trainer_run(**case(rng, epochs=1), dispose=True), "train")
