"""`python -m grader reproduce`: the handout's experiments, run with the solution."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number
from rich.console import Console

from grader.commands.exit_codes import FAILURES, FAULT, INTERRUPTED, PASSED
from grader.commands.output import check_writable, tell
from grader.records import Scale


def reproduce(
    *,
    scale: Annotated[Scale, Parameter(help="smoke: minutes on two cores. full: the handout's settings.")] = "smoke",
    only: Annotated[
        list[str] | None, Parameter(help="This experiment only, and what it starts from.", negative="")
    ] = None,
    data_root: Annotated[
        Path | None, Parameter(help="Folder of oxford-iiit-pet/ and cityscapes/. Without it, look-alikes are drawn.")
    ] = None,
    output: Annotated[
        Path | None, Parameter(help="Folder of the results; results/reproduce/SCALE if not given.")
    ] = None,
    seed: Annotated[int, Parameter(help="Of the trainings.", validator=Number(gte=0))] = 0,
    seeds: Annotated[
        int, Parameter(help="So many trainings each, with seed, seed + 1...", validator=Number(gte=1))
    ] = 1,
    device: Annotated[Literal["auto", "cpu", "cuda"], Parameter(help="auto takes a GPU if there is one.")] = "auto",
) -> int:
    """Run the handout's experiments with the solution, and compare the curves with the published ones.

    What has finished is not run again. Exit code 1: something came out not as it was published.
    """
    from grader.reproduction import differs, failed, run_reproduction

    output = output or Path("results", "reproduce", scale)
    check_writable(output)
    try:
        summary = run_reproduction(scale, only or (), data_root, output, range(seed, seed + seeds), device)
    except KeyboardInterrupt:
        tell(
            Console(stderr=True), "Stopped", "Finished experiments are kept; the same command goes on with the others."
        )
        return INTERRUPTED
    if failed(summary):
        return FAULT
    return FAILURES if differs(summary) else PASSED
