"""The suite judges itself: no check passes an answer that says nothing."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from textwrap import dedent
from unittest import mock

import hypothesis
import numpy as np
import pytest
from hypothesis import Phase

from grader.files import CHECKS
from grader.intake import take_in
from grader.records import Isolation, Status, Submission
from grader.rubric import Check, Part, Rubric
from grader.sandbox import Limits, Worker, work_folder
from grader.suite import plugin
from grader.suite.pytest_run import run_checks
from tests.harness.bench import RUBRIC, independent
from tests.harness.spoiling import KINDS, Audit, Spoil, unspoilt
from tests.submissions.planted import REFERENCE

ALL = independent(check.id for check in RUBRIC.checks)
# No smaller example is wanted, and a few are enough: whatever is spoilt is so in each of them.
QUICK = hypothesis.settings(plugin.SETTINGS, phases=(Phase.generate,), max_examples=10)
PATIENT = Limits(call_seconds=60, check_seconds=120)

ORDER = "judges the order of events, which no number of the record tells; a training that does nothing fails"
CALLED = "judges that it can be called; an exception fails, and a training that does nothing"
EQUAL = "equal weights were saved rightly, whatever they are; a file that differs from the network fails, see below"
NAMES = "judges names of files and tensors, which the record has as keys; a script that does nothing fails"
NO_REQUEST = "an empty list, which is right, holds nothing to spoil; the planted mistakes ask for weights"
WITHOUT_FLOATS = {
    "trainer": "training_mode training_data steps fresh_gradients scheduler validation_epochs validation_last "
    "validation_mode validation_gradients validation_data metric_reset metric_updates dict_output label_shape "
    "pet_labels street_labels best_model dispose",
    "fcn": "runs scratch backbone loss classes labels history checkpoints backbone_start missing_data",
    "pretraining": "city_runs city_classes ignored_label encoder_loaded decoder_fresh foreign_file everything_trains "
    "frozen_encoder frozen_optimizer defaults",
}
# Where a kind of spoiling leaves a right answer right, or nothing to judge, by kind, check and reason.
MEANINGLESS = {
    "zeros": {
        "trainer.validation_epochs": ORDER,
        "trainer.validation_last": ORDER,
        "trainer.validation_mode": "False is right: no training mode in validation",
        "trainer.validation_gradients": "False is right: no gradients in validation",
        "trainer.last_model": EQUAL,
        "trainer.dispose": CALLED,
        "fcn.runs": "0 is the exit code of success",
        "fcn.scratch": NO_REQUEST,
        "fcn.checkpoints": NAMES,
        "pretraining.city_runs": "0 is the exit code of success",
    },
    "constant": {
        "trainer.training_mode": "True is right: training mode in training",
        "trainer.fresh_gradients": "steps on the samples of their own batch, if it is always the same one",
        "trainer.validation_epochs": ORDER,
        "trainer.validation_last": ORDER,
        "trainer.metric_reset": ORDER,
        "trainer.dict_output": "judges the type of what loss and metric are given, not its shape",
        "trainer.last_model": EQUAL,
        "trainer.dispose": CALLED,
        "fcn.scratch": NO_REQUEST,
        "fcn.loss": "True is right: the labels are integers",
        "fcn.splits": "left open: a script that ends with exit code 1, and never validated, broke off before it",
        "fcn.checkpoints": NAMES,
        "fcn.missing_data": "1 is a right exit code, and the message is none of the record",
        "pretraining.foreign_file": "1 is a right exit code",
    },
    "not_a_number": {
        f"{part}.{name}": "judges events, labels, flags, names or digests, which cannot be NaN"
        for part, names in WITHOUT_FLOATS.items()
        for name in names.split()
    },
}

Run = Callable[[Spoil, Rubric, Path], Audit]


@contextmanager
def auditing() -> Iterator[Run]:
    """Runs suites on the solution with one kind of spoiling; it is asked once for all kinds."""
    with ExitStack() as stack, mock.patch.object(plugin, "SETTINGS", QUICK):
        folder = stack.enter_context(work_folder())
        submission: Submission = take_in(REFERENCE, folder / "reference")
        worker = stack.enter_context(Worker("reference", folder / "reference", Isolation.NONE, PATIENT))
        answers, logs = {}, {}

        def audit(spoil: Spoil, rubric: Rubric, suites: Path) -> Audit:
            run = Audit(rubric, submission, worker, answers, logs, spoil)
            run_checks(run, suites)
            return run

        yield audit


@pytest.fixture(scope="module")
def audit() -> Iterator[Run]:
    """The audit, with what the solution has answered so far."""
    with auditing() as run:
        yield run


def not_failed(run: Audit) -> dict[str, str]:
    """The checks that got something spoilt and did not fail, and what they said instead."""
    seen = {name: run.evidence.outcomes[name] for name in run.touched}
    return {
        name: f"{found.status.value}: {found.finding.message}"
        for name, found in sorted(seen.items())
        if found.status is not Status.FAILED
    }


def test_the_solution_passes_every_check(audit: Run) -> None:
    """With its answers as they are, the solution passes: what fails below fails because it was spoilt."""
    outcomes = audit(unspoilt, ALL, CHECKS).evidence.outcomes
    assert {name: found.finding for name, found in outcomes.items() if found.status is not Status.PASSED} == {}


@pytest.mark.parametrize("kind", KINDS)
def test_every_check_fails_what_is_spoilt(audit: Run, kind: str) -> None:
    """Zeros, a constant, NaN, the input given back and an exception each fail every check that they mean something to.

    What is listed as meaningless has to pass, so that no line of the list outlives its reason.
    """
    found = not_failed(audit(KINDS[kind], ALL, CHECKS))
    excused = MEANINGLESS.get(kind, {})
    assert {name: said for name, said in found.items() if name not in excused} == {}
    assert found.keys() == excused.keys()


def test_every_check_fails_at_least_two_kinds() -> None:
    """No check is excused from so much that it could be idle."""
    excused = [name for names in MEANINGLESS.values() for name in names]
    assert max(map(excused.count, excused)) <= len(KINDS) - 2


def test_a_saved_file_of_zeros_fails(audit: Run) -> None:
    """A last model that holds zeros in place of the network's weights is not the network's."""

    def emptied(answer, _arguments):
        return unspoilt(answer, {}) | {"last": {name: np.zeros_like(value) for name, value in answer["last"].items()}}

    outcomes = audit(emptied, independent(["trainer.last_model"]), CHECKS).evidence.outcomes
    assert outcomes["trainer.last_model"].status is Status.FAILED


@pytest.mark.parametrize("kind", KINDS)
def test_a_check_that_compares_nothing_does_not_get_by(audit: Run, kind: str, tmp_path: Path) -> None:
    """A new check that asks and compares nothing fails the audit by every kind that reaches it."""
    body = '''
        from grader.checking import fail

        def test_idle(student):
            """Asks for an answer and is content with any."""
            try:
                student.segformer_block(config={"dim": 4, "num_heads": 1}, weights=1, x=X, size=[2, 2], training=False)
            except Exception:
                pass

        def test_sound(student, reference):
            """Compares."""
            case = {"config": {"dim": 4, "num_heads": 1}, "weights": 1, "x": X, "size": [2, 2], "training": False}
            if not np.array_equal(student.segformer_block(**case), reference.segformer_block(**case)):
                fail("It differs.")
    '''
    header = "import numpy as np\nX = np.arange(16, dtype=np.float32).reshape(1, 4, 4)\n"
    (tmp_path / "test_tiny.py").write_text(header + dedent(body))
    checks = tuple(Check(id=f"tiny.{name}", title=name, points=1, hint="-") for name in ("idle", "sound"))
    rubric = Rubric(parts=(Part(id="tiny", title="Tiny"),), checks=checks, tutor_items=())
    assert not_failed(audit(KINDS[kind], rubric, tmp_path)).keys() == {"tiny.idle"}
