"""Naming mistakes: a failure is told which known mistake gives its very output, and in doubt nothing."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from grader import pipeline
from grader.checking import Subject
from grader.errors import GraderFault
from grader.naming import PatchRefused, apply_patch, load_mistakes, recognising
from grader.naming.mistakes import Mistake
from grader.naming.recognising import Explanation, chosen
from grader.naming.signature import MOST_VALUES, Likeness, TooMuch, fields
from grader.sandbox import CallError
from tests.harness.bench import RUBRIC, Bench, open_bench
from tests.submissions.planted import FOLDER

RIGHT = FOLDER / "right"
METRICS, BLOCK, TRAINER = "dlvc/metrics.py", "dlvc/models/mit_transformer.py", "dlvc/trainer.py"


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """Both workers, started once."""
    with open_bench() as opened:
        yield opened


def named(bench: Bench, source: Path, *parts: str) -> dict[str, str]:
    """The name of a mistake by the check that failed, for the checks of some parts."""
    graded = bench.grade(source, [check.id for check in RUBRIC.checks if check.part in parts])
    return {check: one.name for check, one in bench.recogniser.names(graded.outcomes, graded.calls).items()}


RULES_OF_A_FRACTION = (
    "worked_example one_image never_right accumulates reset ignored_label many_classes".split()  # noqa: SIM905 - a list
)
WRITTEN_OTHERWISE = {
    "absent classes left out of a loop": (
        "counters_in_loops",
        (METRICS, "ious.append(0)", "pass"),
        "metrics",
        {"metrics.absent_classes": "absent_classes_left_out"},
    ),
    "the Dice coefficient from counters": (
        "counters_in_loops",
        (METRICS, "ious.append(tp / (tp + fp + fn))", "ious.append(2 * tp / (2 * tp + fp + fn))"),
        "metrics",
        {
            f"metrics.{check}": "dice"
            for check in [
                "worked_example",
                "one_image",
                "never_right",
                "accumulates",
                "reset",
                "ignored_label",
                "many_classes",
            ]
        },
    ),
    "one norm for both branches, with names for all values": (
        "block_with_intermediate_values",
        (BLOCK, "x = self.norm2(x)", "x = self.norm1(x)"),
        "segformer",
        {"segformer.block_output": "norm1_used_twice"},
    ),
    "old gradients kept in a loop of one's own, whose loss is a mean of batches": (
        "own_loops_with_enumerate",
        (TRAINER, "            self.model.zero_grad()\n", ""),
        "trainer",
        {"trainer.fresh_gradients": "gradients_not_zeroed"},
    ),
}


@pytest.mark.parametrize(
    ("right", "change", "part", "expected"), WRITTEN_OTHERWISE.values(), ids=WRITTEN_OTHERWISE.keys()
)
def test_mistake_is_named_however_it_is_written(bench, write, right, change, part, expected):
    """What counts is what comes out, not the code, nor what else is written otherwise without harm."""
    found = named(bench, write(right, change), part)
    assert expected.items() <= found.items()
    assert set(found.values()) == set(expected.values())


def test_two_mistakes_are_named_each(bench, write):
    """A mistake is named also beside another one that shows in other checks."""
    zeros = "        self.confusion = torch.zeros"
    source = write(
        None,
        (METRICS, zeros, f"        if not hasattr(self, 'confusion'):\n    {zeros}"),
        (BLOCK, "self.mlp(self.norm2(x)", "self.mlp(self.norm1(x)"),
    )
    found = named(bench, source, "metrics", "segformer")
    assert found["metrics.reset"] == "reset_forgets_nothing"
    assert found["segformer.block_output"] == "norm1_used_twice"


def test_unknown_mistake_gets_no_name(bench, write):
    """What no known mistake gives is left without a name."""
    source = write(None, (METRICS, "return (true_positives /", "return 0.9 * (true_positives /"))
    assert named(bench, source, "metrics") == {}


def test_mixture_of_mistakes_gets_no_wrong_name(bench, write):
    """Two mistakes whose effects mix in every answer are none of the known ones."""
    source = write(
        None,
        (
            METRICS,
            "self.confusion.sum(dim=0) + self.confusion.sum(dim=1) - self.confusion.diagonal()",
            "self.confusion.sum(dim=0)",
        ),
        (METRICS, "prediction.argmax(dim=1)", "prediction.argmin(dim=1)"),
    )
    assert named(bench, source, "metrics") == {}


def test_mistake_that_other_checks_refute_is_not_named(bench, write):
    """A mistake that would fail a check which passed is not the submission's, though one answer is alike."""
    overwritten = "target[target == 255] = 0\n        labels = target.to("
    source = write(None, (METRICS, "labels = target.to(", overwritten))
    graded = bench.grade(source, [check.id for check in RUBRIC.checks if check.part == "metrics"])
    explaining = bench.recogniser.explaining(graded.outcomes, graded.calls)
    failed = {check for check, outcome in graded.outcomes.items() if outcome.status == "failed"}
    assert failed
    assert all(set(one.mistake.fails) <= failed for one in explaining)


def test_shared_answers_are_replayed_once(bench, write, monkeypatch):
    """Where several checks judge the same training, a mistake is trained with once, not once for each of them."""
    source = write(None)
    apply_patch(FOLDER / "wrong" / "train_metric_in_validation.patch", source)
    graded = bench.grade(source, [check.id for check in RUBRIC.checks if check.part == "trainer"])
    replayed = set()

    def patched(patch: Path, folder: Path) -> list[str]:
        replayed.clear()
        return apply_patch(patch, folder)

    def asked_once(student: Subject, probe: str, arguments: dict[str, object]) -> object:
        assert id(arguments) not in replayed
        replayed.add(id(arguments))
        return attempt(student, probe, arguments)

    attempt = Subject.attempt
    monkeypatch.setattr(recognising, "apply_patch", patched)
    monkeypatch.setattr(Subject, "attempt", asked_once)
    shared = [check for check, calls in graded.calls.items() if calls[0] is graded.calls["trainer.miou"][0]]
    assert len(shared) > 1
    assert "train_metric_in_validation" in {
        one.mistake.name for one in bench.recogniser.explaining(graded.outcomes, graded.calls)
    }


def test_open_task_gets_no_name(bench, write):
    """What is not written yet is no mistake."""
    source = write(
        None, (METRICS, "return (true_positives /", "raise NotImplementedError\n        return (true_positives /")
    )
    assert named(bench, source, "metrics") == {}


@pytest.mark.parametrize("trouble", [GraderFault("no worker"), PatchRefused("no patch"), OSError("disk full")])
def test_verdicts_survive_where_names_fail(trouble):
    """What goes wrong while a name is looked for costs the name, not the gradesheet."""

    def names(*_: object) -> dict[str, Mistake]:
        raise trouble

    assert pipeline.named(SimpleNamespace(names=names), {}, {}) == {}


def answers(*values: object) -> list[dict[str, list[object]]]:
    """Fields of answers."""
    return [fields(value) for value in values]


def test_fields_gather_what_is_at_one_place_of_a_list():
    """Values of a list's entries are one field, events by what they are; an exception is told by its type."""
    answer = {"events": [{"what": "step", "lr": 1.0}, {"what": "loss", "value": 2.0}, {"what": "step", "lr": 3.0}]}
    assert fields(answer)[".events[][step].lr"] == [1.0, 3.0]


def test_too_large_an_answer_is_not_taken_apart():
    """An answer with more values than any honest one does not keep the grader busy."""
    with pytest.raises(TooMuch):
        fields([0] * MOST_VALUES)


@pytest.mark.parametrize(
    ("theirs", "mistaken", "right", "share"),
    [
        ({"miou": 0.4, "text": "a"}, {"miou": 0.4, "text": "b"}, {"miou": 0.5, "text": "c"}, 1),
        ({"miou": 0.4, "text": "a"}, {"miou": 0.5, "text": "b"}, {"miou": 0.5, "text": "c"}, 0),
        ({"miou": 0.5, "text": "b"}, {"miou": 0.5, "text": "b"}, {"miou": 0.5, "text": "c"}, 1),
        ({"miou": 0.5}, {"miou": 0.5}, {"miou": 0.5}, 0),
        ({"a": 1, "b": 2, "c": 0}, {"a": 1, "b": 2, "c": 3}, {"a": 9, "b": 9, "c": 9}, 2 / 3),
        ({"a": 1, "b": 7}, {"a": 1, "b": 8}, {"a": 2, "b": 8}, 1 / 2),
        (
            {"digests": {"a": "x", "b": "x"}},
            {"digests": {"a": "x", "b": "y"}},
            {"digests": {"a": "y", "b": "y"}},
            1 / 2,
        ),
        ([np.ones(3)], [np.ones(3) + 1e-6], [np.zeros(3)], 1),
        ([np.ones(3)], [np.ones(4)], [np.zeros(3)], 0),
        ([float("nan")], [float("nan")], [1.0], 1),
        ([True], [1], [0], 0),
    ],
    ids=[
        "the same number, another wording",
        "the mistake is in the wording, and theirs is another one",
        "the mistake is in the wording, and theirs is the same",
        "the mistake does not show",
        "two of three fields",
        "something else is odd, too",
        "another digest is odd, too",
        "rounding",
        "another shape",
        "not a number",
        "true is not one",
    ],
)
def test_share_of_a_signature(theirs, mistaken, right, share):
    """Only where a mistake differs from the solution does it count whether an answer is like the mistake's."""
    likeness = Likeness()
    likeness.add(*answers(theirs, mistaken, right))
    assert likeness.share == pytest.approx(share)


def mistake(name: str, *fails: str, what: str | None = None) -> Mistake:
    """A mistake."""
    return Mistake(name=name, what=what or f"it is {name}", fails=fails)


def test_mistakes_are_tried_where_there_are_answers(bench, write, monkeypatch):
    """Few may be tried: none are spent on checks that broke off, however many come first in the rubric."""
    monkeypatch.setattr("grader.naming.recognising.MOST_TRIED", 24)
    source = write(
        None,
        (METRICS, "return (true_positives /", "return 0.9 * (true_positives /"),
        (BLOCK, "self.mlp(self.norm2(x)", "self.mlp(self.norm1(x)"),
        ("dlvc/trainer.py", "import torch", "import nowhere\nimport torch"),
    )
    assert named(bench, source, "metrics", "trainer", "segformer")["segformer.block_output"] == "norm1_used_twice"


def test_mistake_that_explains_most_is_chosen():
    """Of two that answer alike, the one that explains more of the failures is told for each of them."""
    one, both = mistake("one", "m.a"), mistake("both", "m.a", "m.b")
    choice = chosen([Explanation(one, 1.0), Explanation(both, 0.9)], ["m.a", "m.b", "m.c"])
    assert {check: found.name for check, found in choice.items()} == {"m.a": "both", "m.b": "both"}


def test_doubt_names_nothing():
    """Two mistakes that explain a failure equally well leave it without a name, unless they say the same."""
    first, second, third = (
        mistake("first", "m.a"),
        mistake("second", "m.a"),
        mistake("third", "m.a", what="it is first"),
    )
    assert chosen([Explanation(first, 1.0), Explanation(second, 1.0)], ["m.a"]) == {}
    assert chosen([Explanation(first, 1.0), Explanation(third, 1.0)], ["m.a"])["m.a"].what == "it is first"


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ('["metrics.reset"]', r"dice: Input should be"),
        ('{ what = "hits count twice" }', r"dice\.fails: Field required"),
        ('{ fails = ["metrics.reset"] }', r"dice\.what: Field required"),
        ('{ what = "", fails = ["metrics.reset"] }', r"dice\.what: String should have at least 1"),
        ('{ what = "hits count twice", fails = [] }', r"dice\.fails: Tuple should have at least 1"),
        ('{ what = "hits count twice", fails = "metrics.reset" }', r"dice\.fails: Input should be a valid tuple"),
        ('{ what = "hits count twice", fails = ["metrics.reset"], help = "" }', r"dice\.help: Extra inputs"),
        ("hits count twice", r"cannot be read: .*line 1"),
    ],
)
def test_list_of_another_form_is_refused(tmp_path, entry, words):
    """A slip in the list of mistakes is told by the name of its entry, and is our fault."""
    (tmp_path / "expected.toml").write_text(f"dice = {entry}\n")
    with pytest.raises(GraderFault, match=words):
        load_mistakes(tmp_path)


def raised(message: str, line: str) -> dict[str, object]:
    """The fields of an exception that came from a line of code."""
    frames = ("dlvc/metrics.py", "first = 1"), ("dlvc/x.py", line)
    text = "".join(f'  File "{name}", line 3, in f\n    {code}\n' for name, code in frames) + f"E: {message}"
    blank = dict.fromkeys(("where", "errno", "missing_module", "lacks"))
    error = CallError(
        type="E", bases=("E",), message=message, traceback=text, wrong_answer=False, open_task=False, **blank
    )
    return dict(fields(error))


def test_words_of_an_exception_count_if_they_are_a_librarys():
    """An exception that the student's own code raises may say what it likes."""
    assert raised("a", "raise E('a')").keys() == {".error", ".message"}
    assert raised("a", "assert x, 'a'").keys() == {".error", ".message"}
    assert raised("size 3", "x = raises[3]").keys() == {".error", ".said"}
    assert raised("size 3", "raised = x[3]").keys() == {".error", ".said"}
