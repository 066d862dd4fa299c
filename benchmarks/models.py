"""The solution's SegFormer beside the one of transformers, of the same shape: inference, training step, peak memory.

`plain decoder` is the solution with `SegFormerHead` in place of `FusedHead`. segmentation_models_pytorch is measured if
it is installed; its MiT-B0 starts at a quarter of the image's height and width, ours and the other at a half, which is
some four times the work. What a network makes of the machine is told by its arithmetic, of convolutions and of matrix
products, per second, as a share of what one large matrix product reaches in the same rounds.

python benchmarks/models.py
"""

import multiprocessing
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Literal

import torch
from cyclopts import run
from rich.console import Console
from rich.table import Table
from rounds import Clock, Spread, keep, machine, ratios, take_turns
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from reference.dlvc.models.segformer import SegFormer
from reference.dlvc.models.segformer_head import SegFormerHead

CLASSES = 3
SIDE = 2048  # of the square matrices whose product tells the machine's rate
OURS, PEER, PRODUCT = "reference", "transformers", "matrix product"
Mode = Literal["inference", "training step"]
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


class Peer(nn.Module):
    """The SegFormer of transformers in our shape, with scores at the size of the images."""

    def __init__(self) -> None:
        from transformers import SegformerConfig, SegformerForSemanticSegmentation

        super().__init__()
        config = SegformerConfig(
            depths=[2, 2, 2, 2],
            hidden_sizes=[32, 64, 160, 256],
            sr_ratios=[8, 4, 2, 1],
            patch_sizes=[5, 3, 3, 3],
            strides=[2, 2, 2, 2],
            num_attention_heads=[1, 2, 5, 8],
            mlp_ratios=[4, 4, 4, 4],
            decoder_hidden_size=256,
            num_labels=CLASSES,
        )
        self.net = SegformerForSemanticSegmentation(config)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return scores (b, classes, h, w) of images x (b, 3, h, w)."""
        return nn.functional.interpolate(self.net(pixel_values=x).logits, x.shape[2:], mode="bilinear")


def plain() -> nn.Module:
    """The solution, with the decoder computed as it is written."""
    net = SegFormer(CLASSES)
    net.decoder.__class__ = SegFormerHead
    return net


def from_smp() -> nn.Module:
    """The SegFormer of segmentation_models_pytorch, of another shape."""
    import segmentation_models_pytorch as smp

    return smp.Segformer("mit_b0", encoder_weights=None, classes=CLASSES)


def networks() -> dict[str, Callable[[], nn.Module]]:
    """Those that are installed, by name."""
    from importlib.util import find_spec

    found = {OURS: lambda: SegFormer(CLASSES), "plain decoder": plain, PEER: Peer}
    if find_spec("segmentation_models_pytorch"):
        found["segmentation_models_pytorch"] = from_smp
    return found


def work(net: nn.Module, mode: Mode, precision: str, images: torch.Tensor) -> Callable[[], object]:
    """What is timed: scores of the images, or a step of training with the handout's loss and optimizer."""
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.001, amsgrad=True)
    labels = torch.randint(CLASSES, (len(images), *images.shape[2:]))

    def cast() -> AbstractContextManager[Any]:
        return nullcontext() if precision == "fp32" else torch.autocast("cpu", PRECISIONS[precision])

    def infer() -> object:
        with torch.inference_mode(), cast():
            return net(images)

    def step() -> None:
        optimizer.zero_grad()
        with cast():
            scores = net(images)
        nn.functional.cross_entropy(scores.float(), labels).backward()
        optimizer.step()

    net.train(mode == "training step")
    return infer if mode == "inference" else step


def peak(name: str, mode: Mode, precision: str, shape: tuple[int, ...], threads: int) -> float:
    """MiB by which a process of its own grows at most when it does the work twice."""
    torch.set_num_threads(threads)
    task = work(networks()[name](), mode, precision, torch.randn(shape))
    before = most_memory()
    task()
    task()
    return most_memory() - before


def most_memory() -> float:
    """The most MiB that this process has held so far; that of getrusage would include its parent's."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024


def peaks(names: list[str], mode: Mode, precision: str, shape: tuple[int, ...]) -> dict[str, float]:
    """The peaks of several networks, one after the other."""
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh, max_tasks_per_child=1) as pool:
        return {
            name: pool.submit(peak, name, mode, precision, shape, torch.get_num_threads()).result() for name in names
        }


def measure(mode: Mode, precision: str, shape: tuple[int, ...], rounds: int, clock: Clock) -> list[dict[str, Any]]:
    """Time all networks in one interleaved run, with one large matrix product among them."""
    torch.manual_seed(0)
    images = torch.randn(shape)
    tasks = {name: work(make(), mode, precision, images) for name, make in networks().items()}
    times = 1 if mode == "inference" else 3  # a backward pass makes two products for each one of the forward pass
    flops = {name: times * count(make(), images) for name, make in networks().items()}
    matrix = torch.randn(SIDE, SIDE, dtype=PRECISIONS[precision])
    seconds = take_turns(tasks | {PRODUCT: lambda: matrix @ matrix}, rounds, clock, f"{mode}, {precision}")
    rate = 2 * SIDE**3 / Spread.of(seconds[PRODUCT]).median
    memory = peaks(list(tasks), mode, precision, shape)
    return [
        {
            "mode": mode,
            "precision": precision,
            "network": name,
            "ms": Spread.of([1000 * x for x in seconds[name]]),
            "times as fast as transformers": ratios(seconds, name, PEER),
            "GFLOP": flops[name] / 1e9,
            "share of the rate": flops[name] / Spread.of(seconds[name]).median / rate,
            "product GFLOP/s": rate / 1e9,
            "peak MiB": memory[name],
        }
        for name in tasks
    ]


def count(net: nn.Module, images: torch.Tensor) -> int:
    """Floating-point operations of the convolutions and matrix products of a forward pass."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(images)
    return counter.get_total_flops()


def main(
    *,
    batch: int = 64,
    size: int = 64,
    rounds: int = 7,
    threads: int | None = None,
    clock: Clock = "wall",
    precision: tuple[Literal["fp32", "bf16"], ...] = ("fp32", "bf16"),
    save: bool = False,
) -> None:
    """Measure and print a table.

    Args:
        batch: Images at a time.
        size: Their height and width in pixels.
        rounds: How often each network is timed, in turn.
        threads: Of torch; its own choice if not given.
        clock: `cpu` where others use the machine, with one thread.
        precision: bf16 is torch's autocast.
        save: Keep the figures in `measured/models.json`.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    host = machine(clock, "transformers")
    shape = (batch, 3, size, size)
    modes: tuple[Mode, ...] = ("inference", "training step")
    rows = [row for kind in precision for mode in modes for row in measure(mode, kind, shape, rounds, clock)]
    table = Table("", "network", "ms", f"times as fast as {PEER}", "GFLOP", "of the product's rate", "peak MiB")
    for row in rows:
        figures = (f"{row['GFLOP']:.0f}", f"{row['share of the rate']:.0%}", f"{row['peak MiB']:.0f}")
        speed = (row["ms"].text(), row["times as fast as transformers"].text(2))
        table.add_row(f"{row['mode']}, {row['precision']}", row["network"], *speed, *figures)
    Console().print(table, f"{shape}, " + ", ".join(f"{name}: {value}" for name, value in host.items()))
    if save:
        keep("models", {"machine": host, "images": shape, "rounds": rounds, "rows": rows})


if __name__ == "__main__":
    run(main)
