"""The solution's mIoU beside that of torchmetrics: one update, for a batch of pets and for one of streets.

Both count the same pixels, and a run in which their results differ ends with an error.

python benchmarks/metric.py
"""

import sys
from pathlib import Path

import torch
from cyclopts import run
from rich.console import Console
from rich.table import Table
from rounds import Clock, Spread, in_words, keep, machine, ratios, take_turns
from torchmetrics.classification import MulticlassJaccardIndex

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from reference.dlvc.metrics import IGNORED_LABEL, SegMetrics

SHAPES = ((64, 3, 64, 64), (16, 19, 512, 512))
OURS, PEER = "reference", "torchmetrics"


def batch(shape: tuple[int, ...], ignored: float, *, channels_last: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw scores (b, c, h, w) and labels (b, h, w), of which a share is ignored."""
    source = torch.Generator().manual_seed(1)
    scores = torch.randn(shape, generator=source)
    labels = torch.randint(shape[1], (shape[0], *shape[2:]), generator=source)
    labels[torch.rand(labels.shape, generator=source) < ignored] = IGNORED_LABEL
    return scores.contiguous(memory_format=torch.channels_last) if channels_last else scores, labels


def main(*, rounds: int = 9, threads: int | None = None, clock: Clock = "wall", save: bool = False) -> None:
    """Measure and print a table.

    Args:
        rounds: How often each is timed, in turn.
        threads: Of torch; its own choice if not given.
        clock: `cpu` where others use the machine, with one thread.
        save: Keep the figures in `measured/metric.json`.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    host = machine(clock, "torchmetrics")
    table = Table("scores", "ignored", "layout", f"{OURS} ms", f"{PEER} ms", "ratio")
    rows = []
    for shape in SHAPES:
        for ignored, channels_last in ((0.0, False), (0.1, False), (0.1, True)):
            inputs = batch(shape, ignored, channels_last=channels_last)
            ours = SegMetrics(shape[1])
            peer = MulticlassJaccardIndex(shape[1], average="none", ignore_index=IGNORED_LABEL)
            cases = {OURS: lambda m=ours, i=inputs: m.update(*i), PEER: lambda m=peer, i=inputs: m.update(*i)}
            seconds = take_turns(cases, rounds, clock, f"{shape}")
            if not ours.confusion.equal(peer.confmat):
                sys.exit(f"{shape}: the two have counted differently")
            row = {name: Spread.of([1000 * x for x in values]) for name, values in seconds.items()}
            ratio = ratios(seconds, OURS, PEER)
            layout = "channels last" if channels_last else "contiguous"
            rows.append({"scores": shape, "ignored": ignored, "layout": layout, "ms": row, "ratio": ratio})
            table.add_row(str(shape), f"{ignored:.0%}", layout, row[OURS].text(1), row[PEER].text(1), ratio.text(1))
    Console().print(table, in_words(host))
    if save:
        keep("metric", {"machine": host, "rounds": rounds, "rows": rows})


if __name__ == "__main__":
    run(main)
