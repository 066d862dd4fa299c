"""The solution's SegFormer beside the one of transformers, of the same shape: inference, training step, peak memory.

`reference` is the solution with `FusedHead`, `plain decoder` with the `SegFormerHead` that students read.
segmentation_models_pytorch is measured if it is installed; its MiT-B0 starts at a quarter of the image's height and
width, ours and the other at a half, which is some four times the work. What a network makes of the machine is told by
its arithmetic, of convolutions and of matrix products, per second, as a share of what one large matrix product reaches
in the same rounds. The tables have as `speed` how many times as fast as transformers a network is, as `rate` that
share, and as `MiB` the peak.

python benchmarks/models.py
"""

import multiprocessing
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
from cyclopts import run
from rich.console import Console
from rich.table import Table
from rounds import Clock, Spread, in_words, keep, machine, ratios, take_turns
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from reference.dlvc.models.fused_head import FusedHead
from reference.dlvc.models.segformer import SegFormer

CLASSES = 3
# Of the square matrices whose product tells the machine's rate: large enough to keep it busy.
SIDES = {"cpu": 2048, "cuda": 8192}
OURS, PLAIN, PEER = "reference", "plain decoder", "transformers"
SMP, PRODUCT = "segmentation_models_pytorch", "matrix product"
PACKAGES = PEER, SMP
Mode = Literal["inference", "training step"]
Device = Literal["cpu", "cuda"]
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


def from_transformers() -> nn.Module:
    """The SegFormer of transformers, of our shape; imported here, since no other network's process needs it."""
    from tests.harness.peers import TransformersSegFormer

    return TransformersSegFormer(CLASSES)


def from_smp() -> nn.Module:
    """The SegFormer of segmentation_models_pytorch, of another shape."""
    import segmentation_models_pytorch as smp

    return smp.Segformer("mit_b0", encoder_weights=None, classes=CLASSES)


def networks() -> dict[str, Callable[[], nn.Module]]:
    """Those that are installed, by name."""
    found = {OURS: lambda: SegFormer(CLASSES, FusedHead), PLAIN: lambda: SegFormer(CLASSES), PEER: from_transformers}
    if find_spec(SMP):
        found[SMP] = from_smp
    return found


def work(net: nn.Module, mode: Mode, precision: str, images: torch.Tensor) -> Callable[[], object]:
    """What is timed: scores of the images, or a step of training with the handout's loss and optimizer."""
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.001, amsgrad=True)
    device = images.device.type
    labels = torch.randint(CLASSES, (len(images), *images.shape[2:]), device=device)

    def cast() -> AbstractContextManager[Any]:
        return nullcontext() if precision == "fp32" else torch.autocast(device, PRECISIONS[precision])

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
    return finished(infer if mode == "inference" else step, device)


def finished(task: Callable[[], object], device: str) -> Callable[[], object]:
    """The same task, which on a GPU ends when its work is done rather than asked for."""
    if device == "cpu":
        return task

    def wait() -> None:
        task()
        torch.cuda.synchronize()

    return wait


def peak(name: str, mode: Mode, precision: str, shape: tuple[int, ...], device: Device, threads: int) -> float:
    """MiB by which a process of its own grows at most when it does the work twice."""
    torch.set_num_threads(threads)
    task = work(networks()[name]().to(device), mode, precision, torch.randn(shape, device=device))
    before = most_memory(device)
    task()
    task()
    return most_memory(device) - before


def most_memory(device: Device) -> float:
    """The most MiB that this process has held so far; that of getrusage would include its parent's."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024


def peaks(names: list[str], *how: Any) -> dict[str, float]:
    """The peaks of several networks, one after the other."""
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh, max_tasks_per_child=1) as pool:
        return {name: pool.submit(peak, name, *how, torch.get_num_threads()).result() for name in names}


def measure(
    mode: Mode, precision: str, shape: tuple[int, ...], device: Device, rounds: int, clock: Clock
) -> list[dict[str, Any]]:
    """Time all networks in one interleaved run, with one large matrix product among them."""
    torch.manual_seed(0)
    images = torch.randn(shape, device=device)
    tasks = {name: work(make().to(device), mode, precision, images) for name, make in networks().items()}
    times = 1 if mode == "inference" else 3  # a backward pass makes two products for each one of the forward pass
    flops = {name: times * count(make().to(device), images) for name, make in networks().items()}
    side = SIDES[device]
    matrix = torch.randn(side, side, dtype=PRECISIONS[precision], device=device)
    product = finished(lambda: matrix @ matrix, device)
    seconds = take_turns(tasks | {PRODUCT: product}, rounds, clock, f"{mode}, {precision}, {device}")
    rate = 2 * side**3 / Spread.of(seconds[PRODUCT]).median
    memory = peaks(list(tasks), mode, precision, shape, device)
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


def show(title: str, rows: list[dict[str, Any]]) -> None:
    """Print a table of the networks in one mode and precision."""
    table = Table("", "ms", "speed", "GFLOP", "rate", "MiB", title=title)
    for row in rows:
        figures = (f"{row['GFLOP']:.0f}", f"{row['share of the rate']:.0%}", f"{row['peak MiB']:.0f}")
        table.add_row(row["network"], row["ms"].text(), row["times as fast as transformers"].text(2), *figures)
    Console().print(table)


def main(  # noqa: PLR0913 - each is an option of the command
    *,
    batch: int = 64,
    size: int = 64,
    rounds: int = 7,
    threads: int | None = None,
    clock: Clock = "wall",
    device: Device | None = None,
    mode: tuple[Mode, ...] = ("inference", "training step"),
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
        device: A GPU where there is one, if not given.
        mode: What the networks do.
        precision: bf16 is torch's autocast.
        save: Keep the figures in `measured/models_cpu.json`, or `models_cuda.json`.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    where: Device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    host = machine(clock, *(name for name in PACKAGES if find_spec(name)))
    if where == "cuda":
        host["processor"] = torch.cuda.get_device_name()
    shape = (batch, 3, size, size)
    rows = [row for kind in precision for what in mode for row in measure(what, kind, shape, where, rounds, clock)]
    for what, kind in dict.fromkeys((row["mode"], row["precision"]) for row in rows):
        show(f"{what}, {kind}", [row for row in rows if (row["mode"], row["precision"]) == (what, kind)])
    Console().print(f"{shape}, {where}, {in_words(host)}")
    if save:
        keep(f"models_{where}", {"machine": host, "images": shape, "rounds": rounds, "rows": rows})


if __name__ == "__main__":
    run(main)
