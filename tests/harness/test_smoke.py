"""Smoke trainings from end to end: with a few pictures, mistakes by name; whole, the solution's."""

from contextlib import ExitStack
from dataclasses import replace
from functools import partial

import pytest

from grader.checking import script_runs
from grader.experiments.curves import METRICS
from grader.records import Run, Series, Status, TrainingVerdict
from grader.sandbox import Limits, choose_isolation, work_folder
from grader.smoke import bands
from grader.smoke.bands import SLACK, Measured, Measurements
from grader.smoke.plans import PLANS
from tests.harness.bench import RUBRIC, Bench
from tests.harness.command import ROOT, grader, only_gradesheet
from tests.submissions.planted import REFERENCE, Planted, right_submissions, wrong_submissions

EPOCHS = 2
CHECKS = ("smoke.segformer", "smoke.fcn", "smoke.history")
V = TrainingVerdict
TRAINED = {
    "dlvc/trainer.py",
    "train_segformer.py",
    "dlvc/cli.py",
    "dlvc/models/segformer.py",
    "dlvc/models/segment_model.py",
}


@pytest.fixture(scope="module")
def bench():
    """Both workers."""
    with ExitStack() as stack:
        tier, _ = choose_isolation(None, own_folder=True)
        yield Bench(stack.enter_context(work_folder()), stack, tier, Limits())


def hold_against(monkeypatch, unseen):
    """Replace the solution's trainings by ones that had this mIoU on unseen pictures."""
    run = Run("any", **dict.fromkeys(METRICS, Series(tuple(range(EPOCHS)), (1.0,) * EPOCHS)))
    trainings = tuple(Measured(seed=n, run=run, unseen=unseen, class_iou=(0.0,) * 3) for n in range(2))
    known = Measurements(options=(), images=(1, 1), lookalikes=1, trainings=trainings)
    monkeypatch.setattr(bands, "load_bands", lambda: dict.fromkeys(PLANS, known))


@pytest.fixture(autouse=True)
def a_few_pictures(monkeypatch):
    """Trainings of seconds in this process; whatever weights they leave are good enough."""
    for plan in list(PLANS.values()):
        monkeypatch.setitem(PLANS, plan.name, replace(plan, epochs=EPOCHS, batch_size=4, images=(12, 6)))
    hold_against(monkeypatch, SLACK)


@pytest.fixture
def out_of_reach(monkeypatch):
    """No weights are good enough."""
    hold_against(monkeypatch, 0.9)


def changed(folder, file, old, new):
    """The solution with something replaced in a file of its."""
    source = Planted("any").make(folder)
    text = (source / file).read_text(encoding="utf-8")
    assert text.count(old) == 1
    (source / file).write_text(text.replace(old, new), encoding="utf-8")
    return source


def planted(folder, name):
    """A planted mistake."""
    return Planted(name, frozenset({"any"})).make(folder)


def test_solution_learns(bench):
    """Both scripts are trained, evaluated, and tell the truth; the reports get curves, unseen pictures and samples."""
    graded = bench.grade(REFERENCE, CHECKS)
    assert {outcome.status for outcome in graded.outcomes.values()} == {Status.PASSED}
    assert not graded.flags
    assert [training.name for training in graded.trainings] == list(PLANS)
    for training in graded.trainings:
        assert training.verdict is V.AS_REFERENCE
        assert training.run is not None
        assert training.run.val_miou.steps == tuple(range(EPOCHS))
        assert training.rates == Series((0, 1), pytest.approx((0.001, 0.00098)))
        assert training.unseen is not None
        assert sum(map(sum, training.unseen.confusion)) == training.unseen.images * 64 * 64
        assert len(training.unseen.samples) == 4


MISTAKES = {
    "diverged": (
        V.DIVERGED,
        "At step 2 the loss is nan",
        partial(changed, file="train_segformer.py", old="(trainable, lr=lr,", new="(trainable, lr=1e9,"),
    ),
    "rate": (V.RATE_FIXED, "never takes a step", partial(planted, name="scheduler_never_stepped")),
    "mode": (V.TRAINING_MODE, "dropout is active", partial(planted, name="validation_in_training_mode")),
    "little": (
        V.BELOW,
        "asked for 6",
        partial(changed, file="dlvc/trainer.py", old='"batch_size": batch_size,', new='"batch_size": 12,'),
    ),
    "labels": (V.BROKE_OFF, "out of bounds", partial(planted, name="labels_not_shifted")),
    "nothing_saved": (V.BROKE_OFF, "A model was not saved", partial(planted, name="last_model_not_saved")),
}


@pytest.mark.parametrize("name", MISTAKES)
@pytest.mark.usefixtures("out_of_reach")
def test_mistake_is_named(bench, tmp_path, name):
    """A training that gave bad weights loses points, with the name of what is wrong."""
    verdict, words, make = MISTAKES[name]
    graded = bench.grade(make(tmp_path), ["smoke.segformer"])
    outcome = graded.outcomes["smoke.segformer"]
    assert outcome.status is Status.FAILED
    assert words in f"{outcome.finding.message} {outcome.finding.found} {graded.trainings[0].explanation}"
    assert graded.trainings[0].verdict is verdict


def test_invented_history_is_contradicted(bench, tmp_path, monkeypatch):
    """A history that tells of a better model than the one that was saved loses its points, and is flagged."""
    monkeypatch.delitem(PLANS, "fcn")
    old = "EpochRecord(epoch, *trained, *validated)"
    invented = "EpochRecord(epoch, *trained, *((validated[0], 0.81) if validated else ()))"
    source = changed(tmp_path, "dlvc/trainer.py", old, invented)
    graded = bench.grade(source, ["smoke.segformer", "smoke.history"])
    assert graded.outcomes["smoke.segformer"].status is Status.PASSED
    outcome = graded.outcomes["smoke.history"]
    assert outcome.status is Status.FAILED
    assert "0.8100 in history.csv" in outcome.finding.found
    assert [flag.kind for flag in graded.flags] == ["contradiction"]


def test_mistake_elsewhere_costs_once(bench, tmp_path):
    """Beside a failure in the trainer, that of the training is left open, and nothing is flagged."""
    source = planted(tmp_path, "labels_not_shifted")
    graded = bench.grade(source, ["trainer.pet_labels", "smoke.segformer"])
    assert graded.outcomes["trainer.pet_labels"].status is Status.FAILED
    assert graded.outcomes["smoke.segformer"].status is Status.UNSCORED
    assert not graded.flags


NIGHTLY = pytest.mark.nightly


@pytest.mark.parametrize(
    "name",
    [
        "labels_not_shifted",
        pytest.param("gradients_not_zeroed", marks=NIGHTLY),
        pytest.param("decoder_left_out", marks=NIGHTLY),
    ],
)
@pytest.mark.usefixtures("out_of_reach")
def test_mistake_costs_its_own_points_and_no_others(bench, tmp_path, name):
    """Whatever a planted mistake does to the trainings, it loses the points of its own checks alone."""
    (mistake,) = [planted for planted in wrong_submissions() if planted.name == name]
    checks = [check.id for check in RUBRIC.checks if check.part in mistake.parts]
    graded = bench.grade(mistake.make(tmp_path), [*checks, *CHECKS])
    failed = {check for check, outcome in graded.outcomes.items() if outcome.status is Status.FAILED}
    assert failed == mistake.fails
    assert not any(outcome.fault for outcome in graded.outcomes.values())


ODD = [planted for planted in right_submissions() if TRAINED & set(planted.changes)]
# What a smoke training reads is written otherwise in these; test_planted.py runs the scripts of all.
READ_OTHERWISE = {
    "best_model_copied_and_saved_at_the_end",
    "loaders_that_linger",
    "saved_in_another_way",
    "shift_in_the_data_set",
}


def each_odd() -> pytest.MarkDecorator:
    """One test for each, nightly unless it is of those."""
    nightly = {planted.name: () if planted.name in READ_OTHERWISE else (pytest.mark.nightly,) for planted in ODD}
    return pytest.mark.parametrize("planted", [pytest.param(one, id=one.name, marks=nightly[one.name]) for one in ODD])


def test_the_ones_that_are_read_otherwise_exist():
    """Each name in the list is a planted submission that changes what is trained."""
    assert {planted.name for planted in ODD} >= READ_OTHERWISE


@each_odd()
def test_odd_solution_is_trained_and_believed(bench, tmp_path, monkeypatch, planted):
    """Correct but unexpected: its weights are found to do what its history says, and nothing is flagged."""
    monkeypatch.delitem(PLANS, "fcn")
    graded = bench.grade(planted.make(tmp_path), ["smoke.segformer", "smoke.history"])
    assert not graded.flags
    assert graded.outcomes["smoke.segformer"].status is Status.PASSED, graded.outcomes["smoke.segformer"].finding
    # Some write no history, which is another check's matter.
    history = graded.outcomes["smoke.history"]
    assert history.status is not Status.FAILED, history.finding
    assert not history.fault, history.finding


def test_training_that_takes_too_long_is_left_open(bench, monkeypatch):
    """When its time is over, a training is ended at its next step, and what there is of its curve is shown."""
    monkeypatch.setattr(bench, "_limits", Limits(smoke_seconds=0.3))
    graded = bench.grade(REFERENCE, ["smoke.segformer"])
    outcome = graded.outcomes["smoke.segformer"]
    assert outcome.status is Status.UNSCORED
    assert "--smoke-seconds" in outcome.finding.message
    assert graded.trainings[0].verdict is V.OUT_OF_TIME


def test_training_that_will_not_end_is_ended(bench, tmp_path, monkeypatch):
    """Whoever catches the end of its time, too, is killed a little later, and fails."""
    monkeypatch.setattr(bench, "_limits", Limits(smoke_seconds=0.3))
    monkeypatch.setattr(script_runs, "GRACE_SECONDS", 3)
    old = "    trainer.train()\n"
    stubborn = (
        "    while True:\n        try:\n            trainer.train()\n        except BaseException:\n            pass\n"
    )
    source = changed(tmp_path, "train_segformer.py", old, stubborn)
    outcome = bench.grade(source, ["smoke.segformer"]).outcomes["smoke.segformer"]
    assert outcome.status is Status.FAILED
    assert "No answer within 3.3 s" in outcome.finding.message


BOMB = """
import io, zipfile
def save(self, save_dir, suffix=None):
    if suffix != "last":
        return
    small, bomb = io.BytesIO(), Path(save_dir, "bomb_last.pth")
    torch.save(torch.zeros(1), small)
    with zipfile.ZipFile(small) as old, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            with new.open(name, "w", force_zip64=True) as file:
                file.write(old.read(name))
                for _ in range(5 << 10 if name.endswith("/data/0") else 0):
                    file.write(bytes(1 << 20))
DeepSegmenter.save = save
"""


@pytest.mark.nightly
def test_weights_that_unpack_to_more_than_memory_cost_the_submission_alone(bench, tmp_path):
    """A small file that unpacks to 5 GiB fails its check; the solution's worker is there for the next one."""
    source = Planted("any").make(tmp_path)
    module = source / "dlvc" / "models" / "segment_model.py"
    module.write_text(module.read_text(encoding="utf-8") + BOMB, encoding="utf-8")
    graded = bench.grade(source, ["smoke.segformer"])
    assert graded.outcomes["smoke.segformer"].status is Status.FAILED
    next_one = bench.grade(REFERENCE, ["segformer.block_output"])
    assert next_one.outcomes["segformer.block_output"].status is Status.PASSED


@pytest.mark.parametrize(
    ("content", "words"),
    [("b'garbage'", "cannot be read"), ("torch.save({'a': torch.zeros(3)}, file)", "do not fit")],
    ids=["garbage", "another_network"],
)
def test_strange_weights_are_the_submissions_fault(bench, tmp_path, monkeypatch, content, words):
    """A file that is none of the solution's network fails the check, in a process that nothing depends on."""
    monkeypatch.delitem(PLANS, "fcn")
    write = f"file.write_bytes({content})" if content.startswith("b") else content
    old = 'torch.save(self.net.state_dict(), folder / f"{name}.pth")'
    source = changed(tmp_path, "dlvc/models/segment_model.py", old, f'file = folder / f"{{name}}.pth"; {write}')
    outcomes = bench.grade(source, ["smoke.segformer", "smoke.history"]).outcomes
    assert outcomes["smoke.segformer"].status is Status.FAILED
    assert words in outcomes["smoke.segformer"].finding.message
    assert outcomes["smoke.history"].status is Status.UNSCORED, "it costs once"
    assert not outcomes["smoke.history"].fault


def test_starter_has_not_started(bench):
    """Where the scripts are not written yet, there is no training to show."""
    graded = bench.grade(ROOT / "student", CHECKS)
    assert all(outcome.not_started for outcome in graded.outcomes.values())
    assert not graded.trainings


@pytest.mark.nightly
def test_packed_solution_gets_full_points(tmp_path):
    """A whole grading, trainings of the real size included: full points in every part."""
    assert grader("pack", ROOT / "reference", "--output", tmp_path / "group_1.zip").returncode == 0
    # Two trainings beside other tests: on a busy machine they take as long as they take.
    result = grader(tmp_path / "group_1.zip", "--output", tmp_path / "out", "--smoke-seconds", "900", seconds=1800)
    assert result.returncode == 0, result.stdout
    sheet = only_gradesheet(tmp_path / "out")
    assert {part.points.earned == part.points.possible for part in sheet.parts} == {True}
    assert {"smoke", "trainer", "fcn", "pretraining"} <= {part.id for part in sheet.parts}
    assert [training.verdict for training in sheet.trainings] == [V.AS_REFERENCE] * len(PLANS)
