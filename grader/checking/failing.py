"""How a check ends that does not pass, and an exception of a submission in words."""

import errno
from typing import NoReturn

from grader.records import Finding
from grader.sandbox import CallError, Limits


class CheckFailed(Exception):  # noqa: N818 - the submission failed the check; nothing is wrong with us
    """The submission does not do what the check asks.

    Args:
        finding: what the student is told.
        score: partial credit, a share of the points.
        not_started: the starter's open task was left as it was.
        own: it cannot come from a mistake elsewhere, such as in a part that the rubric says the check follows.
        contradiction: what looks invented, in a sentence for the tutor; flagged unless the check is left open.
    """

    def __init__(
        self,
        finding: Finding,
        *,
        score: float = 0.0,
        not_started: bool = False,
        own: bool = False,
        contradiction: str | None = None,
    ) -> None:
        super().__init__(finding.message)
        self.finding = finding
        self.score = score
        self.not_started = not_started
        self.own = own
        self.contradiction = contradiction


class NotScored(Exception):  # noqa: N818 - a verdict of its own
    """The check cannot be judged here; its points stay open for the tutor."""


def fail(message: str, **context: str | None) -> NoReturn:
    """End the check as failed; `context` are further fields of `Finding`."""
    raise CheckFailed(Finding(message=message, **context))


def fail_by_itself(message: str, **context: str | None) -> NoReturn:
    """The same, for what no mistake in another part can bring about."""
    raise CheckFailed(Finding(message=message, **context), own=True)


def as_check_failed(error: CallError, limits: Limits) -> CheckFailed:
    """Put an exception inside the submission into words, naming the limit that it may have run into."""
    if error.open_task:
        message = f"Not written yet. {error.message}".strip()
        return CheckFailed(Finding(message=message, where=error.where), not_started=True)
    if error.wrong_answer:
        return CheckFailed(Finding(message=error.message, where=error.where))
    if error.missing_module is not None:
        return CheckFailed(_missing(error, error.missing_module))
    place = f" in {error.where}" if error.where else ""
    text = f"{error.type}{place}: {error.message}" if error.message else f"{error.type}{place}"
    if (limit := _limit_behind(error, limits)) is not None:
        text += f" ({limit})"
    return CheckFailed(Finding(message=text, where=error.where, traceback=error.traceback))


def _limit_behind(error: CallError, limits: Limits) -> str | None:
    """The limit of the sandbox that an error comes from, by the number that the operating system gave it."""
    if error.lacks == "network":
        return "there is no network where this is graded"
    by_number = {
        errno.EMFILE: f"the limit is {limits.files} open files",
        errno.EFBIG: f"the limit is {limits.file_mib} MiB for a file",
        errno.ENOSPC: f"the limit is {limits.file_mib} MiB for temporary files",
        errno.EAGAIN: f"the limit is {limits.processes} processes and threads",
        errno.ENOMEM: f"the limit is {limits.memory_mib} MiB of memory",
    }
    if error.errno is not None:
        return by_number.get(error.errno)
    if "MemoryError" in error.bases or "can't allocate memory" in error.message:
        return by_number[errno.ENOMEM]
    return by_number[errno.EAGAIN] if "can't start new thread" in error.message else None


def _missing(error: CallError, module: str) -> Finding:
    if module.partition(".")[0] == "dlvc":
        path = module.replace(".", "/")
        hint = "The section “Handing in” of the assignment lists the files."
        return Finding(message=f"{path}.py was not handed in.", where=error.where, hint=hint)
    return Finding(
        message=f"The code imports the package {module!r}, which is not installed where it is graded.",
        where=error.where,
        traceback=error.traceback,
        hint="Only Python's own library, torch, torchvision, numpy, matplotlib and tqdm can be relied on.",
    )
