"""Example gradesheets for the tests of reports: each is what a real run could have given, points and all."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from grader.records import (
    Environment,
    Finding,
    Flag,
    Gradesheet,
    Isolation,
    Note,
    Outcome,
    Status,
    Submission,
    Timings,
    TutorItem,
    Visibility,
)
from grader.rubric import Check, Part, Rubric
from grader.scoring import score, total
from tests.harness import smoke_trainings

RUBRIC = Rubric(
    parts=(
        Part(id="metrics", title="Part 2: Metrics"),
        Part(id="trainer", title="Part 3: Training loop"),
        Part(id="segformer", title="Part 5: SegFormer"),
        Part(id="handin", title="Hand-in"),
        Part(id="report", title="Report"),
    ),
    checks=(
        Check(
            id="metrics.perfect",
            title="A perfect prediction has an mIoU of 1",
            points=1,
            hint="Which dimension?",
        ),
        Check(
            id="metrics.absent_classes",
            title="A class that never occurs counts as 0",
            points=2,
            hint="All classes.",
        ),
        Check(
            id="metrics.accumulates",
            title="Several updates are judged as one set of pixels",
            points=2,
            hint="Sum.",
        ),
        Check(id="metrics.text", title="str() gives “mIoU: 0.54”", points=0.5, hint="`print(metric)` shows it."),
        Check(id="trainer.modes", title="Training mode and evaluation mode", points=1, hint="model.eval()"),
        Check(
            id="trainer.label_shift",
            title="Oxford labels 1, 2, 3 become 0, 1, 2",
            points=1.5,
            hint="Subtract 1.",
        ),
        Check(id="trainer.cuda", title="Trains on a GPU", points=1, hint="Use `device`."),
        Check(
            id="segformer.block_output",
            title="Block: the right output",
            points=4,
            hint="Figure 2 of the paper.",
        ),
        Check(
            id="segformer.network",
            title="SegFormer: the whole network's scores",
            points=1.25,
            hint="First the blocks.",
            requires=("segformer.block_output",),
        ),
        Check(
            id="segformer.frozen",
            title="A frozen encoder stays as it was loaded",
            points=1,
            hint="Compare the tensors.",
            visibility=Visibility.HIDDEN,
        ),
        Check(
            id="handin.layout",
            title="All files are where the handout asks for them",
            points=1.5,
            hint="Look.",
        ),
        Check(id="handin.no_data", title="No data sets, no weights", points=0, hint="Delete them."),
    ),
    tutor_items=(
        TutorItem(
            id="report.findings",
            part="report",
            title="Question 4: findings, and the two ways of fine-tuning compared",
            points=8,
            guidance="Do the numbers agree with the curves? Is the difference explained, not only named?",
        ),
        TutorItem(
            id="report.bonus",
            part="report",
            title="Efficient self-attention explained",
            points=2,
            bonus=True,
            guidance="Five lines.",
        ),
    ),
)

WRONG_MEAN = Finding(
    message="The mean leaves out a class that never occurs.",
    expected="0.333333",
    found="0.5",
    where="dlvc/metrics.py:48",
    example="metric = SegMetrics(3)\nmetric.update(prediction of [[0, 1]], target [[0, 0]])",
    hint="The mean is over all classes that the metric was made for, also over those without a single pixel.",
    log="epoch 1\nepoch 2\n",
)
CRASH = Finding(
    message="SegMetrics.update raised IndexError: index 3 is out of bounds for dimension 0 with size 3",
    where="dlvc/metrics.py:61",
    traceback=(
        "Traceback (most recent call last):\n"
        '  File "dlvc/metrics.py", line 61, in update\n'
        "    self.matrix[target, predicted] += 1\n"
        "IndexError: index 3 is out of bounds for dimension 0 with size 3\n"
    ),
    hint="Add up the confusion matrix over all batches and divide once at the end: a mean of means differs.",
)


@dataclass(frozen=True)
class Sheet:
    """What an example gradesheet differs in; every check that `ends` does not name has passed."""

    ends: dict[str, Outcome] = field(default_factory=dict)
    name: str = "group_07"
    source: str = "group_07.zip"
    complete: bool = True
    notes: tuple[Note, ...] = ()
    flags: tuple[Flag, ...] = ()
    isolation: Isolation = Isolation.BUBBLEWRAP
    rubric: Rubric = RUBRIC

    def build(self) -> Gradesheet:
        """The gradesheet."""
        passed = {check.id: passes(check.id) for check in self.rubric.checks}
        items, parts = score(self.rubric, passed | self.ends)
        return Gradesheet(
            submission=Submission(
                name=self.name,
                source=self.source,
                digest="3a7bd3e2360a3d29eea436fcfb7e44c735d117c42d1c1835420b6b9942dd4f1b",
                package="dlvc",
                files=("dlvc/metrics.py", "dlvc/trainer.py", "report.pdf", "train.py", "train_segformer.py"),
                notes=self.notes,
            ),
            seed=20240528,
            complete=self.complete,
            points=total(items),
            parts=parts,
            items=items,
            tutor_items=self.rubric.tutor_items,
            flags=self.flags,
            environment=Environment(
                grader="0.1.0",
                python="3.11.7",
                torch="2.11.0+cpu",
                platform="Linux x86_64",
                isolation=self.isolation,
                isolation_detail="bwrap 0.8.0: no network, read-only system, own processes",
                device="cpu",
            ),
            timings=Timings(
                graded_at="2024-05-28T21:00:00Z",
                total_seconds=12.34,
                stages={"intake": 0.12, "checks": 12.1},
                checks={check.id: 0.25 * number for number, check in enumerate(self.rubric.checks)},
            ),
        )


def passes(check: str) -> Outcome:
    """The check has passed."""
    return Outcome(check=check, status=Status.PASSED, score=1, finding=Finding(message="As it should be."))


def fails(check: str, finding: Finding, *, share: float = 0) -> Outcome:
    """The check has failed, with partial credit if `share` is not 0."""
    return Outcome(check=check, status=Status.FAILED, score=share, finding=finding)


def waits(check: str, reason: str, *, fault: bool = False) -> Outcome:
    """The check has no verdict."""
    return Outcome(check=check, status=Status.UNSCORED, score=0, finding=Finding(message=reason), fault=fault)


def not_begun(check: str) -> Outcome:
    """The check has met an open task of the starter."""
    finding = Finding(
        message="SegMetrics.update is not written yet.",
        where="dlvc/metrics.py:41",
        hint="Begin with the confusion matrix: its rows are true classes, its columns predicted ones.",
    )
    return Outcome(check=check, status=Status.FAILED, score=0, finding=finding, not_started=True)


def all_passed() -> Gradesheet:
    """Nothing is wrong."""
    return Sheet().build()


def mixed() -> Gradesheet:
    """Failures of several kinds: a wrong value, a crash, partial credit, a hidden one, an open task."""
    ends = (
        fails("metrics.absent_classes", WRONG_MEAN),
        fails("metrics.accumulates", CRASH),
        fails("trainer.label_shift", Finding(message="Two of three labels are shifted."), share=2 / 3),
        waits("trainer.cuda", "Needs a GPU, and this machine has none."),
        not_begun("segformer.block_output"),
        waits("segformer.network", "Can only be judged once “Block: the right output” has passed."),
        fails("segformer.frozen", Finding(message="The encoder is random: no tensor was loaded.")),
    )
    notes = (
        Note(message="The wrapper folder was taken off.", path="group_07/"),
        Note(message="CRLF line ends."),
    )
    return Sheet(ends=_by_check(ends), notes=notes).build()


def starter() -> Gradesheet:
    """The starter as it is handed out, checked on the student's own laptop."""
    begun = {"handin.layout", "handin.no_data"}
    ends = [not_begun(check.id) for check in RUBRIC.checks if check.id not in begun | {"segformer.network"}]
    ends.append(waits("segformer.network", "Can only be judged once “Block: the right output” has passed."))
    return Sheet(ends=_by_check(ends), name="student", source="student", isolation=Isolation.NONE).build()


def hostile(text: str) -> Gradesheet:
    """Every string that a submission controls is `text`; what the machine says of itself is its beginning."""
    finding = Finding(
        message=text,
        expected=text,
        found=text,
        where=text,
        example=text,
        traceback=text,
        hint=text,
        log=text,
    )
    ends = (
        fails("metrics.perfect", finding),
        fails("metrics.text", finding),
        waits("trainer.cuda", text),
        waits("trainer.modes", text, fault=True),
        fails("segformer.block_output", finding).model_copy(update={"not_started": True}),
        fails("segformer.frozen", finding),
    )
    sheet = Sheet(
        ends=_by_check(ends),
        name=text,
        source=text,
        notes=(Note(message=text, path=text),),
        flags=(
            Flag(kind="network", check="metrics.text", evidence=text),
            Flag(kind=text, check=None, evidence=text),
        ),
    ).build()
    submission = sheet.submission.model_copy(update={"package": text, "files": (text, "dlvc/metrics.py")})
    environment = sheet.environment.model_copy(update={"platform": text[:100], "device": text[:100]})
    trainings = (smoke_trainings.bare(text),)
    return sheet.model_copy(update={"submission": submission, "environment": environment, "trainings": trainings})


def trained() -> Gradesheet:
    """Two smoke trainings: one as good as the reference's, and one that broke off without weights to look at."""
    trainings = (smoke_trainings.as_good(), smoke_trainings.overfits())
    return mixed().model_copy(update={"trainings": trainings})


def interrupted() -> Gradesheet:
    """Stopped in the middle: the later half of the checks has no verdict."""
    later = [check.id for check in RUBRIC.checks][6:]
    ends = [waits(check, "The run was stopped before this check ended.") for check in later]
    return Sheet(ends=_by_check(ends), complete=False).build()


def faulty() -> Gradesheet:
    """The grader failed in one check, and a flag was raised in another."""
    ends = (
        waits("metrics.text", "The reference worker gave no answer.", fault=True),
        fails(
            "trainer.modes",
            Finding(message="The worker exited with 0 and no answer.", hint="Remove sys.exit."),
        ),
    )
    flags = (Flag(kind="patched library", check="trainer.modes", evidence="torch.allclose was replaced by <lambda>"),)
    return Sheet(ends=_by_check(ends), flags=flags).build()


def worth(*points: float, part: str = "metrics", shares: Iterable[float] = ()) -> Gradesheet:
    """Checks that are worth `points`; of the first ones `shares` were earned, all else was lost."""
    ids = [f"{part}.check_{number}" for number in range(len(points))]
    checks = tuple(
        Check(id=name, title=f"Check {number}", points=value, hint="Think.")
        for number, (name, value) in enumerate(zip(ids, points, strict=True))
    )
    rubric = Rubric(parts=RUBRIC.parts, checks=checks, tutor_items=())
    earned = dict(zip(ids, shares, strict=False))
    ends = [
        passes(name) if earned.get(name) == 1 else fails(name, Finding(message="No."), share=earned.get(name, 0))
        for name in ids
    ]
    return replace(Sheet(), rubric=rubric, ends=_by_check(ends)).build()


def _by_check(ends: Iterable[Outcome]) -> dict[str, Outcome]:
    return {outcome.check: outcome for outcome in ends}
