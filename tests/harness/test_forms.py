"""Tests of `grader.answers.forms`: what a worker says is read against a form before any check sees it."""

import inspect
import pkgutil
from importlib import import_module

import numpy as np
import pytest

import grader.probes
from grader.answers.forms import FORMS, Form, WrongForm

READ = {"steps": [{"do": "read"}]}
READING = {"miou": 0.5, "text": "mIoU: 0.50"}


def probes():
    """Every function that a check can ask for, by the name that it is asked by."""
    for module in pkgutil.iter_modules(grader.probes.__path__):
        probe = import_module(f"grader.probes.{module.name}")
        for name, function in inspect.getmembers(probe, inspect.isfunction):
            if function.__module__ == probe.__name__ and not name.startswith("_"):
                yield f"{module.name}_{name}"


def test_every_form_belongs_to_a_probe():
    """A form without a probe is left over, and a probe without one cannot be asked."""
    assert FORMS.keys() <= set(probes())


def test_right_form_is_given_back():
    """An answer of the right form comes back, whatever its values are."""
    for reading in (READING, {"miou": float("nan"), "text": ""}, {"miou": 1, "text": "\x1b[2J"}):
        assert FORMS["metrics_run"].read([reading], READ)[0].keys() == reading.keys()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "answer: Input should be a valid list"),
        ([], "0 entries in place of 1"),
        ([READING, READING], "2 entries in place of 1"),
        ([READING | {"miou": "0.5"}], r"answer\[0\]\['miou'\]: .*number"),
        ([READING | {"text": None}], r"answer\[0\]\['text'\]: .*string"),
        ([READING | {"score": 1}], "Extra inputs"),
        ([{"miou": 0.5}], "Field required"),
        ([[0.5, "mIoU: 0.50"]], "dictionary"),
    ],
)
def test_other_form_is_refused(answer, words):
    """An answer of another form is refused, with the place where it differs."""
    with pytest.raises(WrongForm, match=words):
        FORMS["metrics_run"].read(answer, READ)


@pytest.mark.parametrize("array", [np.array(["1.0"]), np.array([None]), np.zeros(3, complex), [0.0], 0.0])
def test_only_arrays_of_real_numbers_are_arrays(array):
    """Where an array is due, nothing else passes that numpy would have to guess about."""
    with pytest.raises(WrongForm):
        FORMS["segformer_head"].read(array, {})


def test_arrays_are_not_copied():
    """Reading large answers costs nothing."""
    scores = np.zeros((2, 3, 4, 5), np.float32)
    assert FORMS["segformer_head"].read(scores, {}) is scores


def test_form_without_arguments():
    """A form whose length does not depend on the call can do without."""
    assert Form(list[int]).read([1, 2], {}) == [1, 2]
