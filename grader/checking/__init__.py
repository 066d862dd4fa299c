"""What a check is written with: ask a worker, compare, and say what is wrong so that it teaches.

A check is a pytest function in `tests/checks/`. It gets `student` and `reference` (see `Subject`), draws fresh inputs,
and ends by returning (passed), by `CheckFailed` (the submission is wrong) or by `NotScored` (nobody can tell).
"""

from grader.checking.asking import Call, Subject, TrustedSubject
from grader.checking.comparing import expect_close, fail_by_difference, nearest, share_used, show
from grader.checking.failing import CheckFailed, NotScored, fail, fail_by_itself

__all__ = [
    "Call",
    "CheckFailed",
    "NotScored",
    "Subject",
    "TrustedSubject",
    "expect_close",
    "fail",
    "fail_by_difference",
    "fail_by_itself",
    "nearest",
    "share_used",
    "show",
]
