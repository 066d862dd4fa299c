"""Many submissions on several benches at once, each in a process with workers of its own."""

import multiprocessing
import queue
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tqdm import tqdm

from grader.sandbox.limits import usable_cores
from tests.harness.bench import Bench, open_bench


class BenchFailed(Exception):  # noqa: N818 - named for what happened
    """One of the processes ended before its work was done; what it said stands above."""


def on_benches(
    work: Callable[[Bench, Any], Any], items: Sequence[Any], processes: int | None = None
) -> Iterator[tuple[Any, Any]]:
    """Do some work for each item, on as many benches as there are cores; with a progress bar.

    Args:
        work: a function of a module, called with a bench and an item; what it returns has to be picklable.
        items: what to work on; handed out in this order.
        processes: how many benches, one a core if not given.

    Yields:
        Each item with what the work returned, in the order in which they end.

    Raises:
        BenchFailed: a process has ended early.
    """
    context = multiprocessing.get_context("spawn")
    count = min(processes or usable_cores(), len(items))
    tasks, results = context.Queue(), context.Queue()
    for number, _ in enumerate(items):
        tasks.put(number)
    for _ in range(count):
        tasks.put(None)
    family = [context.Process(target=_serve, args=(work, items, tasks, results)) for _ in range(count)]
    for process in family:
        process.start()
    try:
        for _ in tqdm(items, disable=None):
            yield _next(results, family)
    finally:
        for process in family:
            process.terminate()
            process.join()


def _next(results: Any, family: list[Any]) -> tuple[Any, Any]:
    """Wait for a result for as long as somebody works on one."""
    while True:
        try:
            return results.get(timeout=1)
        except queue.Empty:
            if any(process.exitcode for process in family):
                raise BenchFailed("A process ended early.") from None


def _serve(work: Callable[[Bench, Any], Any], items: Sequence[Any], tasks: Any, results: Any) -> None:
    with open_bench() as bench:
        parent = multiprocessing.parent_process()
        for number in iter(tasks.get, None):
            # Killed, it could not tell us to stop.
            if parent is not None and not parent.is_alive():
                return
            results.put((items[number], work(bench, items[number])))
