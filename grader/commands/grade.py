"""`python -m grader group_7.zip`: grade submissions, as a tutor."""

import secrets
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from grader.commands.gradings import run
from grader.commands.named_runs import named_runs
from grader.commands.options import IsolationOption, OutputOption, TimingsOption
from grader.errors import UsageError
from grader.pipeline import Options
from grader.records import Edition
from grader.sandbox import Limits


def grade(
    *submissions: Path,
    output: OutputOption = Path("results"),
    seed: Annotated[
        int | None, Parameter(help="Grade again with the same inputs; drawn and recorded if not given.")
    ] = None,
    isolation: IsolationOption = None,
    training: Annotated[bool, Parameter(help="Run the smoke trainings, a minute each, and time the code.")] = True,
    edition: Annotated[
        Edition | None, Parameter(help="Of the handout; what a hand-in's own files tell of, if not given.")
    ] = None,
    runs: Annotated[
        Path | None, Parameter(help="A TOML file with the command lines of a hand-in's experiments, below [runs].")
    ] = None,
    timings: TimingsOption = False,
    limits: Annotated[Limits | None, Parameter(name="*", group="Limits of a check")] = None,
) -> int:
    """Grade submissions: `python -m grader group_7.zip`, or several at once.

    Args:
        submissions: A group's zip, or a folder with its content.
    """
    if not submissions:
        raise UsageError("Which submission? Name a zip or a folder.")
    seed = secrets.randbelow(1 << 53) if seed is None else seed
    if runs is not None and len(submissions) > 1:
        raise UsageError("--runs names the experiments of one hand-in. Grade it by itself.")
    lines = named_runs(runs) if runs is not None else ()
    options = Options(seed, isolation, limits or Limits(), training=training, edition=edition, runs=lines)
    return run(submissions, options, output, audience="tutor", timings=timings)
