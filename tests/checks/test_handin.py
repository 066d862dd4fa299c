"""The hand-in: what was sent, and what a program can tell of the report."""

from typing import Any

from grader.checking import NotScored, Subject, fail
from grader.intake import brought_data_or_weights
from grader.records import Edition, Submission

NEEDED = (
    "report.pdf",
    "train.py",
    "train_segformer.py",
    "dlvc/metrics.py",
    "dlvc/trainer.py",
    "dlvc/models/mit_transformer.py",
    "dlvc/models/segformer_head.py",
    "dlvc/models/segformer.py",
)
# The published handout leaves the names of the scripts open, and the given trainer may be used as it is.
OPEN_NAMES = ("train.py", "train_segformer.py", "dlvc/trainer.py")
TRAINERS = ("dlvc/trainer.py", "dlvc/trainer_reference_impl.py")
PAGES = range(3, 5)


def test_layout(submission: Submission, edition: Edition) -> None:
    """Every file that the handout asks for is there."""
    missing = [name for name in NEEDED if name not in submission.files]
    if edition == "original":
        missing = [name for name in missing if name not in OPEN_NAMES]
        if not any(name.endswith(".py") and "/" not in name for name in submission.files):
            missing.append("a training script")
        if not set(TRAINERS).intersection(submission.files):
            missing.append(" or ".join(TRAINERS))
    if not any(name.startswith(("dlvc/dataset/", "dlvc/datasets/")) for name in submission.files):
        missing.append("dlvc/dataset/")
    if missing:
        fail("The hand-in is not complete.", expected=", ".join(NEEDED), found=f"missing: {', '.join(missing)}")


def read_report(student: Subject, submission: Submission) -> dict[str, Any]:
    """What a program can tell of the report; a failure if there is none that can be read."""
    if "report.pdf" not in submission.files:
        fail(
            "Not submitted: report.pdf is missing.",
            expected="report.pdf beside train.py",
            found="no such file",
        )
    report = student.handin_report()
    if report["problem"] is not None:
        fail(f"report.pdf cannot be read: {report['problem']}.")
    if report["pages"] is None:
        raise NotScored("report.pdf is encrypted in a way that this program cannot open; a person can.")
    return report


def test_report_is_pdf(student: Subject, submission: Submission) -> None:
    """`report.pdf` is there and is a PDF that can be read."""
    read_report(student, submission)


def test_report_length(student: Subject, submission: Submission) -> None:
    """The report has 3 to 4 pages."""
    pages = read_report(student, submission)["pages"]
    if pages not in PAGES:
        fail(
            "The report's length is not as asked for.",
            expected="3 to 4 pages",
            found=f"{pages} page{'s' if pages != 1 else ''}",
        )


def test_report_pictures(student: Subject, submission: Submission) -> None:
    """At least one page of the report shows a plot or a picture."""
    if read_report(student, submission)["drawn"] == 0:
        fail("No page of the report has a plot or a picture.", expected="curves and masks", found="text only")


def test_no_data(submission: Submission) -> None:
    """Neither data sets nor weights were handed in."""
    brought = brought_data_or_weights(submission)
    if brought:
        fail("Data sets or weights were handed in.", expected="code and report only", found="; ".join(brought))
