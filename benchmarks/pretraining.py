"""What pre-training on streets is worth at smoke scale: validation mIoU of the pets, from scratch and fine-tuned (a).

Runs the experiments `segformer_scratch`, `city_pretraining` and `finetune_all` of `grader/experiments.toml` with the
reference's script, once for each seed of the training, on the look-alikes of one seed. What is finished is kept in
`--results` and not run again.

python benchmarks/pretraining.py --results results/pretraining --seeds 5
"""

import csv
import subprocess
import sys
import time
from pathlib import Path
from statistics import mean, stdev

from cyclopts import run
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from grader.experiments import LAST_MODEL, Experiment, load_experiments
from grader.lookalikes import make_lookalikes

ROOT = Path(__file__).resolve().parents[1]
SCRATCH, STREETS, TUNED = "segformer_scratch", "city_pretraining", "finetune_all"


def train(experiment: Experiment, data: Path, results: Path, seed: int) -> None:
    """Run one experiment unless its last model is there, and add its wall seconds to `seconds.txt` in its folder."""
    output = results / experiment.name
    if (output / "seconds.txt").exists():
        return
    script = ROOT / "reference" / experiment.script
    arguments = [*experiment.arguments("smoke", data, results), "--seed", str(seed), "--device", "cpu"]
    began = time.perf_counter()
    subprocess.run([sys.executable, script, *arguments], check=True, capture_output=True)  # noqa: S603
    assert (output / LAST_MODEL).exists()
    (output / "seconds.txt").write_text(f"{time.perf_counter() - began:.1f}\n")


def validation(output: Path) -> dict[int, float]:
    """Return the validation mIoU by epoch."""
    with (output / "history.csv").open() as file:
        return {int(row["epoch"]): float(row["val_miou"]) for row in csv.DictReader(file) if row["val_miou"]}


def compare(results: list[Path]) -> Table:
    """Tabulate both ways by epoch: mean and standard deviation over the seeds, the smallest difference."""
    scratch, tuned = ([validation(folder / name) for folder in results] for name in (SCRATCH, TUNED))
    table = Table("epoch", "from scratch", "fine-tuned (a)", "difference", "smallest difference")
    for epoch in scratch[0]:
        pairs = [(one[epoch], other[epoch]) for one, other in zip(scratch, tuned, strict=True)]
        gains = [other - one for one, other in pairs]
        columns = [[one for one, _ in pairs], [other for _, other in pairs], gains]
        spreads = [f"{mean(c):.3f} ± {stdev(c) if len(c) > 1 else float('nan'):.3f}" for c in columns]
        table.add_row(str(epoch), *spreads, f"{min(gains):.3f}")
    return table


def main(*, results: Path = Path("results/pretraining"), seeds: int = 5) -> None:
    """Train for every seed and print the table.

    Args:
        results: Folder of the look-alikes and of all runs; what it holds is not made again.
        seeds: Trainings with the seeds 0, 1, 2...
    """
    results = results.resolve()
    make_lookalikes(results / "data", "smoke")
    wanted = [experiment for experiment in load_experiments() if experiment.name in {SCRATCH, STREETS, TUNED}]
    folders = [results / f"seed-{seed}" for seed in range(seeds)]
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("training", total=len(folders) * len(wanted))
        for seed, folder in enumerate(folders):
            for experiment in wanted:
                progress.update(task, description=f"{experiment.name}, seed {seed}")
                train(experiment, results / "data", folder, seed)
                progress.advance(task)
    console = Console()
    console.print(compare(folders))
    for experiment in wanted:
        seconds = [float((folder / experiment.name / "seconds.txt").read_text()) for folder in folders]
        console.print(f"{experiment.name}: {mean(seconds):.0f} s on average, at most {max(seconds):.0f} s")


if __name__ == "__main__":
    run(main)
