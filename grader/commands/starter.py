"""`python -m grader starter`: make the starter again."""

from grader.commands.exit_codes import PASSED
from grader.files import REFERENCE, ROOT
from grader.starter import make_starter


def starter() -> int:
    """Make `student/` again out of `reference/`, by cutting its solution regions."""
    make_starter(REFERENCE, ROOT / "student")
    return PASSED
