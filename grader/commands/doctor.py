"""`python -m grader doctor`: whether strangers' code can be graded on this host."""

from typing import Annotated

from cyclopts import Parameter


def doctor(
    *,
    every_tier: Annotated[bool, Parameter(name="--all", negative="", help="Try every isolation that works.")] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative="", help="Print JSON in place of a table.")] = False,
) -> int:
    """Find out whether strangers' submissions can be graded on this host: 0 yes, 1 weaker than promised, 3 no."""
    from grader.doctor import run_doctor

    return run_doctor(every_tier=every_tier, as_json=as_json)
