"""The checks of Part 3 tell a student which mistake it is."""

from collections import Counter
from contextlib import ExitStack

import numpy as np
import pytest

from grader.checking import CheckFailed, NotScored
from grader.checking.watched_training import equal, expect_samples, mistaken_for, phases, returned
from grader.records import Isolation, Status
from grader.sandbox import Limits, work_folder
from tests.harness.bench import RUBRIC, Bench
from tests.submissions.planted import wrong_submissions

TOLD = {
    "labels_not_shifted": ("wrong labels of the pets", "0, 1, 2", "1, 2, 3"),
    "every_label_shifted": ("other labels of the streets", "labels 2, 3", "labels 1, 2", "254"),
    "shift_by_what_a_batch_holds": ("other labels of the streets", "labels 2, 3", "labels 0, 1", "253"),
    "validation_with_gradients": ("Validation computes with gradients", "no gradient", "requires_grad=True"),
    "validation_in_training_mode": ("Validation runs in training mode", "evaluation mode", "training mode"),
    "training_stays_in_evaluation_mode": ("trains in evaluation mode after a validation", "training mode", "epoch 1"),
    "scheduler_never_stepped": ("The scheduler took 0 steps in 3 epochs", "one step", "0"),
    "scheduler_stepped_twice": ("The scheduler took 6 steps in 3 epochs", "one step", "6"),
    "scheduler_stepped_every_batch": ("9 steps in 3 epochs, also between its batches", "one step", "9"),
    "loss_of_the_last_batch": ("_train_epoch returns is that of the last batch",),
    "loss_of_batches_over_samples": ("the sum over the batches divided by the number of samples",),
    "validation_loss_of_full_batches": ("_val_epoch returns counts a small last batch as if it were full",),
    "last_model_not_saved": ("No last model was saved", "training_save_dir", "best"),
    "best_model_by_loss": ("not the one of the highest validation mIoU", "epoch 1", "epoch 5"),
    "best_model_by_training": ("not the one of the highest validation mIoU", "epoch 1", "epoch 3"),
    "best_model_better_than_the_one_before": ("not the one of the highest validation mIoU", "epoch 1", "epoch 4"),
    "best_model_of_the_lowest_miou": ("not the one of the highest validation mIoU", "epoch 1", "epoch 2"),
    "gradients_not_zeroed": ("gradients of earlier batches too", "of this batch", "also those of samples"),
    "gradients_zeroed_before_the_step": ("A step finds no gradients at all",),
    "optimizer_never_steps": ("The optimizer took 0 steps in an epoch of 3 batches", "one step after each batch"),
    "dictionary_not_unwrapped": ("OrderedDict",),
    "labels_squeezed_too_far": ("labels of a wrong shape", "(1, 4, 6)", "(4, 6)"),
}


@pytest.fixture(scope="module")
def bench():
    """Two workers without isolation: what is said is the same in each tier."""
    with ExitStack() as stack:
        yield Bench(stack.enter_context(work_folder()), stack, Isolation.NONE, Limits())


def needed_for(check: str) -> set[str]:
    """A check and all that it requires."""
    (entry,) = [entry for entry in RUBRIC.checks if entry.id == check]
    return {check}.union(*map(needed_for, entry.requires))


@pytest.mark.parametrize("name", TOLD)
def test_the_finding_names_the_mistake(bench, name, tmp_path):
    """Message, expected, found and where say what the trainer does wrong."""
    (planted,) = [planted for planted in wrong_submissions() if planted.name == name]
    (check,) = planted.fails
    outcome = bench.grade(planted.make(tmp_path), needed_for(check)).outcomes[check]
    assert outcome.status is Status.FAILED
    finding = outcome.finding
    text = " | ".join(filter(None, (finding.message, finding.expected, finding.found, finding.where)))
    for words in TOLD[name]:
        assert words in text


def run_of(*kinds, forward=True):
    """A run with phases of these kinds, each with a forward pass of sample 0."""
    notes = [{"kind": kind, "returned": None, "kind_returned": "None"} for kind in kinds]
    events = [{"what": "forward", "phase": number, "samples": [0]} for number, _ in enumerate(kinds)]
    return {"phases": notes, "events": events if forward else []}


def test_epochs_are_counted_by_training():
    """A validation belongs to the training before it."""
    found = [(phase.kind, phase.epoch) for phase in phases(run_of("train", "val", "train", "train", "val"))]
    assert found == [("train", 0), ("val", 0), ("train", 1), ("train", 2), ("val", 2)]


def test_without_a_validation_nothing_is_judged_of_it():
    """A check of the validation stays open where there was none, since it neither passed nor failed."""
    with pytest.raises(NotScored, match="no validation"):
        phases(run_of("train"), "val")


@pytest.mark.parametrize("kind", [None, "train", "val"])
def test_a_training_that_does_nothing_fails(kind):
    """Where no batch ever passes the network, there is nothing to leave open."""
    with pytest.raises(CheckFailed, match="Nothing is trained"):
        phases(run_of("train", "val", forward=False), kind)


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ([0, 1], "1 samples were not used"),
        ([0, 1, 2, 2], "1 samples were used more than once"),
        ([0, 1, 2, 7], "1 samples belong to the other data"),
    ],
)
def test_samples_that_do_not_fit_are_told(seen, words):
    """Missing, repeated and foreign samples are counted; each sample once is right."""
    (phase,) = phases({**run_of("train"), "events": [{"what": "forward", "phase": 0, "samples": seen}]})
    with pytest.raises(CheckFailed) as failure:
        expect_samples(phase, range(3))
    assert failure.value.finding.found == words
    expect_samples(phase._replace(events=[{"what": "forward", "samples": [2, 0, 1]}]), range(3))


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (5.0, "last batch"),
        (1.0, "first batch"),
        (8.0, "sum over the batches, not"),
        (22.0, "sum over the samples"),
        (0.8, "divided by the number of samples"),
        (3.2, "as if it were full"),
        (7.7, "is not the mean"),
    ],
)
def test_a_wrong_loss_is_recognised(loss, words):
    """What the loss of batches of 4, 4 and 2 was mistaken for stands in the message."""
    assert words in mistaken_for(loss, np.array([1.0, 2.0, 5.0]), np.array([4, 4, 2]))


def test_what_is_no_pair_is_told():
    """A method that returns nothing is told what to return."""
    (phase,) = phases(run_of("train"))
    with pytest.raises(CheckFailed, match="two numbers") as failure:
        returned(phase)
    assert failure.value.finding.found == "None"


def test_states_are_compared_but_for_batch_norm():
    """A state with other weights is another one; other running statistics are a wrong validation's doing."""
    state = {"own": np.ones(3), "norm.running_mean": np.ones(3)}
    assert equal(state, {**state, "norm.running_mean": np.zeros(3)})
    assert not equal(state, {**state, "own": np.zeros(3)})


def test_part_3_is_worth_16_points():
    """The points of the part add up, and no check of it is without a hint of its own."""
    checks = [check for check in RUBRIC.checks if check.part == "trainer"]
    assert sum(check.points for check in checks) == 16
    assert max(Counter(check.hint for check in checks).values()) == 1
