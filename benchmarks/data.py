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
from rounds import Spread, in_words, keep, machine, take_turns

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from grader.lookalikes import Counts, make_lookalikes
from reference.dlvc.cli import open_data

SETS = {"pets": ("oxford", "."), "streets": ("city", "cityscapes")}
SIZE = 64


def main(*, images: int = 48, rounds: int = 5, save: bool = False) -> None:
    """Measure and print a table.

    Args:
        images: For training, of each set.
        rounds: How often each is timed, in turn.
        save: Keep the figures in `measured/data.json`.
    """
    host = machine("wall", "torchvision")
    counts = Counts(trainval=images, test=1, train=images, val=1)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_lookalikes(root / "kept", "smoke", counts=counts)
        cases: dict[str, Callable[[], object]] = {"draw both": lambda: draw(root, counts)}
        for name, (dataset, folder_of_set) in SETS.items():
            data, _ = open_data(dataset, root / "kept" / folder_of_set, SIZE)
            cases[f"load {name}"] = lambda data=data: [data[index] for index in range(len(data))]
        seconds = take_turns(cases, rounds, "wall", "data")
    drawn = {"draw both": sum(counts)}
    rows = [
        {"work": name, "ms": Spread.of([1000 * x / drawn.get(name, images) for x in seconds[name]])} for name in cases
    ]
    table = Table("work", "ms an image")
    for row in rows:
        table.add_row(row["work"], row["ms"].text(1))
    Console().print(table, in_words(host))
    if save:
        keep("data", {"machine": host, "rounds": rounds, "size": SIZE, "rows": rows})


def draw(root: Path, counts: Counts) -> None:
    """Draw both sets anew."""
    with tempfile.TemporaryDirectory(dir=root) as folder:
        make_lookalikes(Path(folder), "smoke", counts=counts)


if __name__ == "__main__":
    run(main)
