"""How long look-alikes take to draw, and the solution's data sets to load, per image.

python benchmarks/data.py
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from cyclopts import run
from rich.console import Console
from rich.table import Table
from rounds import Spread, keep, machine, take_turns

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "reference"))
from dlvc.cli import open_data
from grader.lookalikes import Counts, make_lookalikes

COUNTS = Counts(trainval=48, test=1, train=48, val=1)
SETS = {"pets": ("oxford", ".", COUNTS.trainval), "streets": ("city", "cityscapes", COUNTS.train)}
SIZE = 64


def main(*, rounds: int = 5, save: bool = False) -> None:
    """Measure and print a table.

    Args:
        rounds: How often each is timed, in turn.
        save: Keep the figures in `measured/data.json`.
    """
    host = machine("wall", "torchvision")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_lookalikes(root / "kept", "smoke", counts=COUNTS)
        cases: dict[str, Callable[[], object]] = {"draw both": lambda: draw(root)}
        images = {"draw both": sum(COUNTS)}
        for name, (dataset, folder_of_set, count) in SETS.items():
            data, _ = open_data(dataset, root / "kept" / folder_of_set, SIZE)
            cases[f"load {name}"] = lambda data=data: [data[index] for index in range(len(data))]
            images[f"load {name}"] = count
        seconds = take_turns(cases, rounds, "wall", "data")
    rows = [{"work": name, "ms": Spread.of([1000 * x / images[name] for x in seconds[name]])} for name in cases]
    table = Table("work", "ms an image")
    for row in rows:
        table.add_row(row["work"], row["ms"].text(1))
    Console().print(table, ", ".join(f"{name}: {value}" for name, value in host.items()))
    if save:
        keep("data", {"machine": host, "rounds": rounds, "size": SIZE, "rows": rows})


def draw(root: Path) -> None:
    """Draw both sets anew."""
    with tempfile.TemporaryDirectory(dir=root) as folder:
        make_lookalikes(Path(folder), "smoke", counts=COUNTS)


if __name__ == "__main__":
    run(main)
