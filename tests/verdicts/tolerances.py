"""How far correct answers lie apart, and planted mistakes off: what the tolerances of the checks come from."""

import json
import math
import os
import platform
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal, NamedTuple
from unittest import mock

from rich.console import Console
from rich.table import Table

from grader.checking.tolerances import (
    COMMAND,
    TOLERANCES_FILE,
    Margins,
    Measured,
    Mistake,
    Tolerance,
    Unit,
    load_tolerances,
)
from grader.records import Status
from tests.harness.bench import RUBRIC, Bench, independent, unshrunk
from tests.submissions.planted import SOLUTION, Planted, right_submissions, wrong_submissions
from tests.verdicts.benches import on_benches
from tests.verdicts.results import machine

THREADS = (2, 4)
SEEDS_OF_RIGHT = 1
SEEDS_OF_SCRIPTS = 2  # they compare settings and colours, which no seed changes, and take half of the time
SCRIPTS = ("fcn", "pretraining")
WIDTH = 150
SECONDS = 120  # for a check: nothing is judged here, and the machine may be busy
OTHER_TORCH = "torch "
MISTAKES = "mistakes"
GUESS = "guess"  # stands for a tolerance that is yet to be measured

Source = Literal["seeds", "threads", "torch", "right", "mistakes"]
SOURCES: tuple[Source, ...] = ("seeds", "threads", "torch", "right", "mistakes")


class Case(NamedTuple):
    """A grading to be watched: where its deviations come from, what is graded, by which checks, and how it is run."""

    source: str
    planted: Planted
    seed: int
    checks: frozenset[str]
    threads: int = 1
    python: str = sys.executable


class Deviation(NamedTuple):
    """The largest deviation that one tolerance was asked about in one check, in the tolerance's own unit."""

    used: Tolerance
    check: str
    value: float

    @property
    def tolerance(self) -> str:
        """The tolerance's name."""
        return self.used.name or ""

    @property
    def unit(self) -> Unit:
        """What its deviations are measured in."""
        return "absolute" if self.used.absolute else "relative"


class Evidence(NamedTuple):
    """What came of a case: the torch that ran it, whether that has a GPU, the deviations and the failed checks."""

    torch: str
    gpu: bool
    deviations: list[Deviation]
    failed: list[str]


def tolerances(
    *,
    seeds: int = 10,
    python: Path | None = None,
    only: tuple[Source, ...] = SOURCES,
    part: tuple[str, ...] = (),
    processes: int | None = None,
) -> bool:
    """Measure how far correct answers lie apart and planted mistakes lie off, and write what the tolerances come from.

    The solution is held against itself with many seeds, with other numbers of threads and with another torch, and
    correct solutions of other authors against it. To measure the oldest torch that is supported, make an environment:
    `uv venv --python 3.11 old`, then, with VIRTUAL_ENV=old, `uv pip install torch==2.11.* torchvision==0.26.* numpy
    pillow psutil safetensors pypdf matplotlib tqdm`; then give `--python old/bin/python`. What was measured with other
    versions of torch is kept, and so is what `--only` leaves out.

    Args:
        seeds: 0 to below this number, for the solution.
        python: an interpreter with another torch; it runs without isolation.
        only: what to measure.
        part: the parts of the rubric whose checks are run, all without; a tolerance of several needs them all.
        processes: gradings at the same time, one a core if not given.
    """
    candidates = frozenset(check.id for check in RUBRIC.checks if not part or check.part in part)
    ((_, first),) = on_benches(watched, [Case("seeds", SOLUTION, 0, candidates)], 1)
    comparing = frozenset(one.check for one in first.deviations)
    fine = True
    for source in only:
        cases = list(cases_of(source, seeds, str(python or ""), comparing))
        seen = [*on_benches(watched, cases, processes)] if cases else []
        fine = tell_surprises(seen) and fine
        write(measured(seen, first, old=load_tolerances()))  # at once, since the whole takes long
        load_tolerances.cache_clear()
    show()
    return fine


def cases_of(source: Source, seeds: int, python: str, comparing: frozenset[str]) -> Iterator[Case]:
    """The gradings that one source of deviations needs; `comparing` are the checks that use a tolerance."""
    if source == "right":
        for seed in range(SEEDS_OF_RIGHT):
            for planted in right_submissions():
                if planted.patch.exists() and (checks := comparing.intersection(planted.checks(RUBRIC) or comparing)):
                    yield Case(source, planted, seed, checks)
    elif source == "mistakes":
        found = ((planted, comparing & planted.fails) for planted in wrong_submissions())
        yield from (Case(MISTAKES, planted, 0, checks) for planted, checks in found if checks)
    elif source == "threads":
        for count in THREADS:
            yield from (case._replace(threads=count) for case in by_seeds(f"{count} threads", seeds, comparing))
    elif source == "seeds":
        yield from by_seeds(source, seeds, comparing)
    elif python:
        yield from (case._replace(python=python) for case in by_seeds(source, seeds, comparing))


def by_seeds(source: str, seeds: int, comparing: frozenset[str]) -> Iterator[Case]:
    """The solution with several seeds, of which the scripts are run with a few."""
    without = frozenset(check for check in comparing if not check.startswith(SCRIPTS))
    for seed in range(seeds):
        yield Case(source, SOLUTION, seed, comparing if seed < SEEDS_OF_SCRIPTS else without)


def watched(bench: Bench, case: Case) -> Evidence:
    """Grade a case, each check by itself, and note what every comparison found."""
    told = bench.run_student_with(case.threads, case.python)
    with tempfile.TemporaryDirectory() as folder, noted() as deviations, unshrunk():
        outcomes = bench.grade(case.planted.make(Path(folder)), independent(case.checks), SECONDS, case.seed).outcomes
    failed = [name for name, outcome in outcomes.items() if outcome.status is not Status.PASSED]
    return Evidence(told["torch"], told["cuda"], deviations, failed)


@contextmanager
def noted() -> Iterator[list[Deviation]]:
    """Note the largest deviation by tolerance and check; the list is filled at the end."""
    largest: dict[tuple[Tolerance, str], float] = defaultdict(float)
    found: list[Deviation] = []
    admits = Tolerance.admits

    def listen(tolerance: Tolerance, share: float) -> bool:
        key = (tolerance, checked_now())
        largest[key] = max(largest[key], share * (tolerance.absolute or tolerance.relative))
        return admits(tolerance, share)

    with mock.patch.object(Tolerance, "admits", listen):
        yield found
    found += [Deviation(*key, value) for key, value in largest.items()]


def checked_now() -> str:
    """The check that runs, as pytest tells it: `.../test_<part>.py::test_<name> (call)`."""
    path, _, test = os.environ["PYTEST_CURRENT_TEST"].partition("::")
    return f"{Path(path).stem.removeprefix('test_')}.{test.partition(' ')[0].removeprefix('test_')}"


def measured(seen: list[tuple[Case, Evidence]], first: Evidence, old: dict[str, Margins]) -> Measured:
    """Put together what was seen, and keep what was known of what was not measured now."""
    torch = first.torch.partition("+")[0]
    known = {one.tolerance: one.unit for one in first.deviations} | {name: m.unit for name, m in old.items()}
    return Measured(
        command=COMMAND,
        day=datetime.now(UTC).date().isoformat(),
        machine=machine(),
        versions={"python": platform.python_version(), "torch": torch, "numpy": version("numpy")},
        gpu="not measured: every probe computes on the CPU" + ("" if first.gpu else ", and there was no GPU"),
        tolerances={name: margins(name, unit, seen, old.get(name)) for name, unit in sorted(known.items())},
    )


def margins(name: str, unit: Unit, seen: list[tuple[Case, Evidence]], old: Margins | None) -> Margins:
    """What is known of one tolerance."""
    spread: dict[str, float] = {}
    widest = (0.0, "")
    for case, found in seen:
        source = f"{OTHER_TORCH}{found.torch.partition('+')[0]}" if case.source == "torch" else case.source
        for value in (one.value for one in found.deviations if one.tolerance == name and source != MISTAKES):
            spread[source] = max(spread.get(source, 0.0), value)
            widest = max(widest, (value, case.planted.name)) if source == "right" else widest
    kept = {source: value for source, value in (old.spread if old else {}).items() if source != GUESS or not spread}
    used = next((one.used for _, what in seen for one in what.deviations if one.tolerance == name), None)
    tried = {one.tolerance for case, found in seen if case.source == MISTAKES for one in found.deviations}
    return Margins(
        unit=unit,
        spread=dict(sorted((kept | spread).items())),
        widest=(widest[1] or None) if "right" in spread or old is None else old.widest,
        mistake=nearest_mistake(name, seen) if name in tried or old is None else old.mistake,
        reason=used.reason if used or old is None else old.reason,
        rule=((used.absolute or used.relative) if used.ruled else None) if used or old is None else old.rule,
    )


def nearest_mistake(name: str, seen: Iterable[tuple[Case, Evidence]]) -> Mistake | None:
    """The planted mistake that a wider tolerance would be the first to let pass, where one fails by this tolerance."""
    found = [
        Mistake(name=case.planted.name, check=one.check, deviation=one.value)
        for case, what in seen
        if case.source == MISTAKES
        for one in what.deviations
        if one.tolerance == name and one.check in what.failed and math.isfinite(one.value) and one.value > 0
    ]
    return min(found, key=lambda mistake: mistake.deviation, default=None)


def write(found: Measured) -> None:
    """Write the file, with as many digits as say something."""
    plain = json.loads(found.model_dump_json(), parse_float=lambda text: float(f"{float(text):.3g}"))
    TOLERANCES_FILE.write_text(json.dumps(plain, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def show() -> None:
    """Print what is known, by tolerance; "x": how many times wider than correct answers, narrower than mistakes."""
    table = Table("tolerance", "unit", "widest correct", "from", "allowed", "smallest mistake", "by")
    for name, known in load_tolerances().items():
        where = max(known.spread, key=known.spread.__getitem__, default="-")
        source = known.widest if where == "right" else where
        above = f" ({known.value / known.largest:.3g} x)" if known.largest else ""
        off = known.mistake
        below = f"{off.deviation:.2g} ({off.deviation / known.value:.3g} x)" if off else "-"
        allowed = f"{known.value:.2g}{above}{' by rule' if known.rule is not None else ''}"
        table.add_row(name, known.unit, f"{known.largest:.2g}", source, allowed, below, off.name if off else "-")
    Console(width=WIDTH).print(table)


def tell_surprises(seen: Iterable[tuple[Case, Evidence]]) -> bool:
    """Print each correct solution that failed a check; whether there was none."""
    odd = [(case, found.failed) for case, found in seen if case.source != MISTAKES and found.failed]
    for case, failed in odd:
        print(f"{case.planted.name} ({case.source}, seed {case.seed}) did not pass {', '.join(failed)}")
    return not odd
