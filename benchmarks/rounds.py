"""What the benchmarks of torch code share: cases that take turns, their spread, and the machine they ran on."""

import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any, Literal, NamedTuple

import torch
from rich.console import Console
from rich.progress import track

MEASURED = Path(__file__).parent / "measured"
Clock = Literal["wall", "cpu"]


class Spread(NamedTuple):
    """The middle of several values, and how far they lie apart."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        """Sum up at least one value."""
        return cls(median(values), min(values), max(values))

    def text(self, digits: int = 0) -> str:
        """Say it as `12 (11 to 15)`."""
        return "{:.{d}f} ({:.{d}f} to {:.{d}f})".format(*self, d=digits)


def take_turns(
    cases: Mapping[str, Callable[[], object]], rounds: int, clock: Clock, title: str
) -> dict[str, list[float]]:
    """Seconds of each case in each round, after one round that is not counted.

    In every round each case runs once, so that what slows the machine down for a while meets all of them, and another
    one begins. The CPU's time tells more than the wall's where others use the machine, and only with a single thread.
    """
    read = time.perf_counter if clock == "wall" else time.process_time
    for case in cases.values():
        case()
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for turn in track(range(rounds), title, console=Console(stderr=True)):
        names = list(cases)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            began = read()
            cases[name]()
            seconds[name].append(read() - began)
    return seconds


def ratios(seconds: dict[str, list[float]], name: str, peer: str) -> Spread:
    """How many times as long as `name` the peer takes, from the pairs of each round."""
    return Spread.of([theirs / ours for theirs, ours in zip(seconds[peer], seconds[name], strict=True)])


def machine(clock: Clock, *packages: str) -> dict[str, Any]:
    """Name the processor, what may be used of it, how busy it is with others, and the versions."""
    from importlib.metadata import version

    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return {
        "processor": model or platform.processor() or platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load before": round(os.getloadavg()[0], 1),
        "clock": clock,
        "python": platform.python_version(),
        **{package: version(package) for package in ("torch", *packages)},
    }


def in_words(machine: dict[str, Any]) -> str:
    """Say in a line what `machine` has found."""
    return ", ".join(f"{name} {value}" for name, value in machine.items())


def keep(name: str, data: dict[str, Any]) -> None:
    """Write the figures beside the benchmarks, for `docs/speed.md` and for comparisons later on."""
    MEASURED.mkdir(exist_ok=True)
    (MEASURED / f"{name}.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
