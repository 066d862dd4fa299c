"""What each way of ending means as an exit code."""

from typing import Final

PASSED: Final = 0
FAILURES: Final = 1
REFUSED: Final = 2
FAULT: Final = 3
USAGE: Final = 4
INTERRUPTED: Final = 130

EXPLAINED: Final = """Exit codes: 0 graded, nothing failed. 1 graded, with failures. 2 the submission was refused.
3 the grader's own fault. 4 wrong usage. 130 interrupted; what was graded is kept."""
