"""The gradesheet on a terminal, for a student and for a tutor."""

import io
import re

import pytest
from rich.cells import cell_len
from rich.console import Console

from grader.records import Status
from grader.reports import print_gradesheet
from tests.harness import gradesheets
from tests.harness.gradesheets import RUBRIC
from tests.harness.report_examples import (
    HOSTILE,
    HOSTILE_SHEETS,
    SHEETS,
    Example,
    both_audiences,
    every_sheet,
    honest_sheet,
    printed,
)


@every_sheet
@both_audiences
@pytest.mark.parametrize("width", [80, 60])
def test_no_line_is_wider_than_the_console(example, audience, width):
    """Whatever a submission says, lines fold at the console's width."""
    lines = printed(example, audience, width=width).split("\n")
    assert max(cell_len(line) for line in lines) <= width


@every_sheet
@both_audiences
def test_nothing_acts_on_the_terminal(example, audience):
    """A terminal without colour receives printable characters and line ends, nothing else."""
    text = printed(example, audience)
    assert all(char == "\n" or char.isprintable() for char in text)


def test_markup_and_emoji_codes_of_a_submission_are_shown_as_they_are():
    """Rich's markup in a message is text."""
    text = printed(HOSTILE_SHEETS["rich markup"], width=200)
    assert HOSTILE["rich markup"] in text


def test_colours_are_used_where_there_are_any():
    """A terminal that knows colours gets them, and only ours."""
    file = io.StringIO()
    console = Console(file=file, width=80, force_terminal=True, color_system="standard", no_color=False)
    sheet = gradesheets.hostile(HOSTILE["ansi"])
    print_gradesheet(sheet, RUBRIC, console, reports={}, audience="tutor")
    codes = set(re.findall(r"\x1b.[^m]*m?", file.getvalue()))
    assert codes
    assert all(re.fullmatch(r"\x1b\[[\d;]*m", code) for code in codes)


@honest_sheet
@both_audiences
@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_any_encoding_will_do(example, audience, encoding):
    """A terminal that knows no ✓ gets other symbols instead of an error."""
    assert "✓" not in printed(example, audience, encoding=encoding)


def test_the_starter_fits_on_one_screen_and_says_where_to_begin():
    """A student who has written nothing reads what to do first, where, and that nothing is wrong."""
    text = printed(SHEETS["starter"])
    assert len(text.splitlines()) <= 30
    for words in (
        "1.5 of 16.75 points",
        "9 not started yet",
        "Nothing is wrong",
        "Begin here: Part 2: Metrics",
        "dlvc/metrics.py:41",
        "Full report  results/report.html",
        "Notebook     results/feedback.ipynb",
    ):
        assert words in text


def test_the_first_failure_of_the_handout_comes_in_full():
    """What to do next is told with where, expected, found, the smallest example and the hint."""
    text = printed(SHEETS["mixed"])
    shown = text[text.index("Do this next") : text.index("Also to fix")]
    for words in (
        "A class that never occurs",
        "metrics.py:48",
        "0.333333",
        "0.5",
        "SegMetrics(3)",
        "hint",
    ):
        assert words in shown


def test_other_failures_take_a_line_or_two():
    """Further failures are told by title and message, without their details."""
    text = printed(SHEETS["mixed"])
    others = text[text.index("Also to fix") :]
    assert "Several updates are judged as one set of pixels: SegMetrics.update raised" in others
    assert "Traceback" not in others


def test_a_student_does_not_read_about_hidden_checks():
    """A hidden failure is counted for a student and told to a tutor."""
    text = printed(SHEETS["mixed"])
    assert "A frozen encoder" not in text
    assert "1 check hidden until grades are published" in text
    assert "A frozen encoder stays as it was loaded (hidden" in printed(SHEETS["mixed"], "tutor")


def test_a_hidden_failure_is_never_what_to_do_next():
    """Where all else has passed, a student learns that a hidden check failed, and not which."""
    ends = {"segformer.frozen": gradesheets.fails("segformer.frozen", gradesheets.WRONG_MEAN)}
    text = printed(Example(gradesheets.Sheet(ends=ends).build()))
    assert "1 check hidden until grades are published" in text
    assert gradesheets.WRONG_MEAN.message not in text


def test_reasons_for_open_points_beyond_three_are_counted_for_a_student():
    """A student reads three reasons and how many more there are; a tutor reads them all."""
    ends = {check.id: gradesheets.waits(check.id, f"Reason {check.id}.") for check in RUBRIC.checks[:5]}
    example = Example(gradesheets.Sheet(ends=ends).build())
    assert "… and 2 more reasons in the report" in printed(example)
    assert "in the report" not in printed(example, "tutor")


def test_success_is_short_and_says_what_is_left():
    """With every check passed, the student sees what the tutor will judge."""
    text = printed(SHEETS["all passed"])
    assert "Every check passed." in text
    assert "____ / 8" in text
    assert "Do this next" not in text
    assert len(text.splitlines()) <= 20


@honest_sheet
def test_a_tutor_reads_every_failure_and_every_open_check(example):
    """No check without full points is missing from the tutor's page."""
    text = " ".join(printed(example, "tutor", width=300).split())
    for item in example.sheet.items:
        if item.outcome.status is not Status.PASSED:
            assert " ".join(item.outcome.finding.message.split()) in text
        if item.outcome.status is Status.UNSCORED:
            assert item.check in text


def test_flags_come_first_for_the_tutor_only():
    """A tutor sees flags before the points; a student's terminal does not show them."""
    text = printed(SHEETS["faulty"], "tutor")
    assert text.index("torch.allclose was replaced") < text.index("15.25 of 16.75")
    assert "torch.allclose" not in printed(SHEETS["faulty"])


def test_a_tutor_can_repeat_the_run():
    """Seed, isolation and digest are on the tutor's page."""
    text = printed(SHEETS["mixed"], "tutor")
    for words in ("20240528", "bubblewrap", SHEETS["mixed"].sheet.submission.digest):
        assert words in text


@both_audiences
def test_an_interrupted_run_says_that_its_points_are_not_final(audience):
    """Stopping early is said beside the points, with the reason why points are open."""
    text = printed(SHEETS["interrupted"], audience)
    assert "not final" in text
    assert "6 checks, 8.75 open: The run was stopped" in text


@both_audiences
def test_a_fault_of_the_grader_is_not_blamed_on_the_student(audience):
    """A fault of the grader is named as such and costs nothing."""
    assert "The grader itself failed" in printed(SHEETS["faulty"], audience)


def test_a_bar_is_full_or_empty_only_if_the_points_are():
    """Neither 99 of 100 points nor 1 of 100 look like all or nothing."""
    nearly = printed(Example(gradesheets.worth(99, 1, shares=(1, 0))))
    barely = printed(Example(gradesheets.worth(99, 1, shares=(0, 1))))
    assert "█████████░ " in nearly
    assert "█░░░░░░░░░ " in barely


def test_checks_without_points_do_no_harm():
    """A part that is worth nothing has an empty bar."""
    assert "░░░░░░░░░░  0 / 0" in printed(Example(gradesheets.worth(0, 0)))
