"""`python -m grader reproduce`: the handout's experiments with the reference solution, beside the published curves.

`running` trains, each experiment by the solution's own script and never twice; `comparing` holds the results against
the published runs; `summary` writes what came out, and `show` says it on a terminal.
"""

import difflib
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from grader.errors import GraderFault, UsageError
from grader.experiments.plans import Experiment, load_experiments
from grader.records import Scale
from grader.reproduction.comparing import Verdict
from grader.reproduction.running import Device, Ending, Plan, alone_in, run_experiment
from grader.reproduction.show import Lines, print_files, print_summary
from grader.reproduction.sources import open_source
from grader.reproduction.summary import Summary, summarise, write_files

__all__ = ["Plan", "reproduce", "run_reproduction", "select"]


def run_reproduction(
    scale: Scale,
    only: Sequence[str],
    data_root: Path | None,
    output: Path,
    seeds: Sequence[int],
    device: Device,
) -> Summary:
    """Run experiments of the handout, print how they go and what came out, and write it into `output`.

    Args:
        scale: which settings, and which look-alikes where there are no data.
        only: names of experiments; what they start from is run too. All, if none is named.
        data_root: the folder of the data sets; None for look-alikes.
        output: where everything goes; what it holds already is used.
        seeds: of the trainings.
        device: handed on to the scripts.

    Raises:
        UsageError: an unknown name, no data, or a folder in which another run is at work.
        GraderFault: the folder cannot be written to, since its disk is full, say.
    """
    experiments = select(load_experiments(), only)
    try:
        with Lines(Console(stderr=True)) as lines:
            source = open_source(data_root, scale, lines.images)
            plan = Plan(experiments, scale, source, output, tuple(seeds), device)
            return reproduce(plan, lines, Console())
    except OSError as error:
        raise GraderFault(f"The results cannot be kept in {str(output)!r}: {error.strerror or error}.") from error


def select(experiments: Sequence[Experiment], names: Sequence[str]) -> tuple[Experiment, ...]:
    """Return the named experiments and all that they start from, in their order; all, if none is named.

    Raises:
        UsageError: there is no experiment of a name.
    """
    by_name = {experiment.name: experiment for experiment in experiments}
    wanted = set[str]()
    for name in names:
        if name not in by_name:
            close = difflib.get_close_matches(name, by_name, n=1)
            guess = f" Did you mean {close[0]!r}?" if close else ""
            raise UsageError(f"There is no experiment {name!r}.{guess} There are: {', '.join(by_name)}.")
        following: str | None = name
        while following is not None:
            wanted.add(following)
            following = by_name[following].after
    return tuple(each for each in experiments if not names or each.name in wanted)


def reproduce(plan: Plan, lines: Lines, console: Console) -> Summary:
    """Run a plan, seed by seed; print and write what came out."""
    endings: dict[int, dict[str, Ending]] = {seed: {} for seed in plan.seeds}
    with alone_in(plan.output) as lock:
        for seed in plan.seeds:
            for experiment in plan.experiments:
                label = experiment.name if len(plan.seeds) == 1 else f"{experiment.name}, seed {seed}"
                lines.begin(label, experiment.settings(plan.scale).epochs)
                ending = run_experiment(plan, experiment, seed, endings[seed], lock, lines.watch)
                endings[seed][experiment.name] = ending
                lines.end(ending)
        summary = summarise(plan, endings)
        files = write_files(plan, endings, summary)
    print_summary(summary, console)
    print_files(files, console)
    return summary


def failed(summary: Summary) -> bool:
    """Whether an experiment failed, which is never anybody's but our own fault."""
    return any(row.verdict is Verdict.FAILED for row in summary.rows)


def differs(summary: Summary) -> bool:
    """Whether something came out not as it was published."""
    verdicts = [row.verdict for row in summary.rows] + [order.verdict for order in summary.orders]
    return Verdict.DIFFERS in verdicts
