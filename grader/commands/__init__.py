"""The commands of `python -m grader`, one file each, and what happens however one of them ends."""

import difflib
import os
import signal
from pathlib import Path
from types import FrameType
from typing import NoReturn

from cyclopts import App, CycloptsError
from pydantic import ValidationError
from rich.console import Console

from grader.commands.bands import bands
from grader.commands.check import check
from grader.commands.data import data
from grader.commands.doctor import doctor
from grader.commands.example import example
from grader.commands.exit_codes import EXPLAINED, FAULT, INTERRUPTED, REFUSED, USAGE
from grader.commands.grade import grade
from grader.commands.gradings import NoSuchSource
from grader.commands.output import tell
from grader.commands.pack import pack
from grader.commands.reproduce import reproduce
from grader.commands.schema import schema
from grader.commands.starter import starter
from grader.environment import own_version
from grader.errors import GraderFault, SubmissionRejected, UsageError

MAINTAINERS = "For maintainers"

app = App(
    name="python -m grader",
    help="Grade a submission of the semantic segmentation assignment.",
    help_epilogue=EXPLAINED,
    version=own_version,
    exit_on_error=False,
    print_error=False,
    result_action="return_value",
)
app.default(grade)
app.command(check)
app.command(pack)
app.command(example)
app.command(doctor)
app.command(data)
app.command(reproduce)
app.command(starter, group=MAINTAINERS)
app.command(bands, group=MAINTAINERS)
app.command(schema, group=MAINTAINERS)


def suggestion(source: Path) -> str:
    """Guess what was meant by a name that does not exist."""
    commands = [name for name in app if not name.startswith("-")]
    parent = source.parent
    neighbours = [str(parent / name) for name in os.listdir(parent)] if parent.is_dir() else []  # noqa: PTH208
    close = difflib.get_close_matches(str(source), commands + [n.removeprefix("./") for n in neighbours], n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def main(arguments: list[str]) -> int:
    """Run a command; every way of ending has its exit code and one plain message."""
    signal.signal(signal.SIGTERM, _interrupt)
    errors = Console(stderr=True)
    if not arguments:
        app.help_print([], console=errors)
        return USAGE
    try:
        return int(app(arguments) or 0)
    except SubmissionRejected as error:
        title, message, code = "Refused", f"{error.problem}\n{error.advice}", REFUSED
    except GraderFault as error:
        title, message, code = "The grader's own fault", str(error), FAULT
    except NoSuchSource as error:
        title, message, code = "Cannot do that", f"{error}{suggestion(error.source)}", USAGE
    except UsageError as error:
        title, message, code = "Cannot do that", str(error), USAGE
    except CycloptsError as error:
        title, message, code = (
            "Cannot do that",
            f"{plain(error)}\n`python -m grader --help` shows how it is used.",
            USAGE,
        )
    except KeyboardInterrupt:
        title, message, code = "Stopped", "Nothing had been graded yet.", INTERRUPTED
    tell(errors, title, message)
    return code


def plain(error: CycloptsError) -> str:
    """What is wrong with the arguments; of a value out of its range, which one and why."""
    if isinstance(error.__cause__, ValidationError):
        return "; ".join(
            f"--{str(problem['loc'][0]).replace('_', '-')} {problem['input']}: {problem['msg']}"
            for problem in error.__cause__.errors()
        )
    return str(error)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
