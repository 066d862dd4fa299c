"""What a check reads out of a training that the probe `trainer_run` has watched, epoch by epoch."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from grader.checking import NotScored, fail, share_used
from grader.checking.tolerances import tolerance

RETURNED = tolerance(
    "trainer.returned", "absolute", "float32 is off by 1e-6; who rounds to four digits, by half of the last", rule=6e-5
)
WORDS = {"train": "training", "val": "validation"}
TAKERS = {"loss": "loss", "update": "metric"}

Event = dict[str, Any]
Masks = dict[str, NDArray[np.uint8]]


class Watched(NamedTuple):
    """A training, and the masks that it got."""

    masks: Masks
    run: dict[str, Any]


class Phase(NamedTuple):
    """One epoch of training, or one validation.

    `kind` is `train` or `val`, `epoch` counts trainings from 0, `notes` are what the probe tells of the phase.
    """

    kind: str
    epoch: int
    notes: dict[str, Any]
    events: list[Event]

    @property
    def name(self) -> str:
        """What a student calls it."""
        return f"{WORDS[self.kind]}, epoch {self.epoch}"

    def all(self, what: str, **details: Any) -> list[Event]:
        """Its events of one kind, in order."""
        return [e for e in self.events if e["what"] == what and details.items() <= e.items()]


def phases(run: dict[str, Any], kind: str | None = None) -> list[Phase]:
    """The phases of a run, of one kind or all.

    Raises:
        CheckFailed: nothing ever passed the network.
        NotScored: there is none of the kind.
    """
    found, epoch = [], -1
    for number, notes in enumerate(run["phases"]):
        epoch += notes["kind"] == "train"
        events = [event for event in run["events"] if event["phase"] == number]
        found.append(Phase(notes["kind"], max(epoch, 0), notes, events))
    if not any(phase.all("forward") for phase in found):
        fail("Nothing is trained.", expected="batches that pass the network", found="train() ends without any")
    found = [phase for phase in found if kind in (None, phase.kind)]
    if not any(phase.all("forward") for phase in found):
        raise NotScored(f"There was no {WORDS.get(kind or 'train')} that could be judged.")
    return found


def samples(events: Iterable[Event]) -> list[int]:
    """The samples of several events."""
    return [sample for event in events for sample in event["samples"]]


def times(count: int, what: str) -> str:
    """A number and a noun: 1 step, 2 steps."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def listed(numbers: Iterable[Any]) -> str:
    """Numbers for a sentence."""
    return ", ".join(map(str, numbers)) or "none"


def validated(run: dict[str, Any]) -> list[int]:
    """The epochs after whose training there was a validation, counted from 0."""
    return [phase.epoch for phase in phases(run) if phase.kind == "val"]


def labels_given(run: dict[str, Any], drawn: Masks) -> list[tuple[Phase, str, NDArray[np.int64], NDArray[np.int64]]]:
    """Every label map that loss and metrics got: where, which of them, the map, and the mask on disk it belongs to."""
    on_disk = np.concatenate([*drawn.values()]).astype(np.int64)
    given = []
    for phase in phases(run):
        batch: list[int] = []
        for event in phase.events:
            batch = event["samples"] if event["what"] == "forward" else batch
            if event["what"] in ("loss", "update"):
                for sample, labels in zip(batch, event["labels"], strict=False):
                    given.append((phase, event["what"], np.array(labels), on_disk[sample]))
    if not given:
        fail("Neither loss nor metrics get labels.", expected="the labels of each batch", found="none")
    return given


def fingerprint(labels: Any) -> tuple[int, ...]:
    """A mask without its lowest label, so that a shift, which is another check's, does not matter."""
    flat = np.asarray(labels, dtype=np.int64).ravel()
    return tuple((flat - flat.min()).tolist())


def shapes_given(phase: Phase) -> list[tuple[str, Any]]:
    """The shapes of scores and labels that loss and metric get, call by call, and who of them."""
    given = [(TAKERS[e["what"]], e["shapes"]) for e in phase.events if e["what"] in TAKERS]
    if not given and phase.all("forward"):
        fail("Neither loss nor metric get the scores of a batch.", expected="scores and labels", where=phase.name)
    return given


def describe(labels: NDArray[np.int64]) -> str:
    """The labels that occur."""
    return f"labels {listed(np.unique(labels))}"


def mistaken_for(loss: float, losses: NDArray[np.float64], sizes: NDArray[np.int64]) -> str:
    """Say what a wrong loss is instead of a mean."""
    others = {
        "is that of the last batch": losses[-1],
        "is that of the first batch": losses[0],
        "is the sum over the batches, not their mean": losses.sum(),
        "is the sum over the samples, not their mean": (losses * sizes).sum(),
        "is the sum over the batches divided by the number of samples": losses.sum() / sizes.sum(),
        "counts a small last batch as if it were full": (losses * sizes.max()).sum() / sizes.sum(),
    }
    same = (words for words, other in others.items() if share_used(loss, other, RETURNED) <= 1)
    return next(same, "is not the mean over the samples")


def equal(one: dict[str, NDArray[Any]], other: dict[str, NDArray[Any]]) -> bool:
    """Whether two states are the same, bit for bit, but for batch norm, which a wrong validation may have changed."""
    return all(np.array_equal(one[name], value) for name, value in other.items() if not name.startswith("norm."))


def expect_samples(phase: Phase, expected: range) -> None:
    """Fail unless the network saw each expected sample once and no other."""
    seen = Counter(samples(phase.all("forward")))
    if seen == Counter(expected):
        return
    foreign = sum(count for sample, count in seen.items() if sample not in expected)
    missing = sum(sample not in seen for sample in expected)
    twice = sum(seen[sample] > 1 for sample in expected)
    faults = ((missing, "were not used"), (twice, "were used more than once"), (foreign, "belong to the other data"))
    fail(
        f"The {WORDS[phase.kind]} does not use all of its data once.",
        expected=f"each of the {len(expected)} samples of {phase.kind}_data once",
        found="; ".join(f"{count} samples {what}" for count, what in faults if count),
        where=phase.name,
    )


def expect_gradients(batch: set[int], found: set[int], where: str) -> None:
    """Fail unless the samples whose gradients a step takes are those of its batch."""
    expected = f"gradients of the samples of this batch: {listed(sorted(batch))}"
    if stale := sorted(found - batch):
        message = "A step uses gradients of earlier batches too: they were not zeroed in between."
        fail(message, expected=expected, found=f"also those of samples {listed(stale)}", where=where)
    if missing := sorted(batch - found):
        message = "A step does not use all gradients of its batch." if found else "A step finds no gradients at all."
        fail(message, expected=expected, found=f"none of samples {listed(missing)}", where=where)


def expect_scores(phase: Phase) -> None:
    """Fail if the metric was given classes: which score is the highest is for the metric to find out."""
    for update in phase.all("update"):
        scores, labels = update["shapes"]
        if scores == labels:
            fail(
                f"{phase.kind}_metric gets a class for each pixel in place of the scores.",
                expected="scores (b, c, h, w), one for each class",
                found=str(tuple(scores)),
                where=phase.name,
            )


def expect_predictions(phase: Phase, found: dict[int, Any]) -> None:
    """Fail unless the metric was given, for each sample, the scores that the network gave for it."""
    for forward in phase.all("forward"):
        for sample, predicted in zip(forward["samples"], forward["predicted"], strict=True):
            if found[sample] != predicted:
                fail(
                    f"{phase.kind}_metric gets other scores than the network gave.",
                    expected="the scores (b, c, h, w) of the batch, whose highest is the predicted class",
                    found=f"other predicted classes for sample {sample}",
                    where=phase.name,
                )


def returned(phase: Phase) -> tuple[float, float]:
    """The (loss, mIoU) that the method of a phase returned."""
    method = f"_{phase.kind}_epoch"
    if phase.notes["returned"] is None:
        found = phase.notes["kind_returned"] or "train() does not call it"
        fail(f"{method} should return two numbers.", expected="(loss, mIoU)", found=found, where=phase.name)
    loss, miou = phase.notes["returned"]
    return loss, miou


def saved(run: dict[str, Any], word: str) -> dict[str, NDArray[Any]]:
    """The saved state that is called `word`."""
    if run[word] is None:
        fail(
            f"No {word} model was saved.",
            expected=f"a file in training_save_dir with {word!r} in its name, as model.save(folder, {word!r}) gives",
            found=listed(run["files"]) if run["files"] else "no file",
        )
    state: dict[str, NDArray[Any]] = run[word]
    return state
