"""A worker's tree of processes, seen from outside: who is in it, what it uses, and how all of it is ended."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

import psutil

KILL_ROUNDS = 1000
PAUSE_SECONDS = 0.005
LAST_LINES, LAST_BYTES = 6, 8000


def descendants(root: int) -> list[psutil.Process]:
    """Every living process below `root`, parents before their children; zombies are dead and do not count."""
    try:
        below = psutil.Process(root).children(recursive=True)
    except psutil.Error:
        return []
    return [process for process in below if _alive(process)]


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def last_lines(log: IO[bytes]) -> str:
    """The end of what a process has printed into a file: why it did not start, or how it ended."""
    log.seek(0)
    return "\n".join(log.read()[-LAST_BYTES:].decode(errors="replace").strip().splitlines()[-LAST_LINES:])


def memory(processes: list[psutil.Process], enough: int) -> int:
    """Bytes that processes use together: their resident sum if that is at most `enough`, else their proportional sum.

    Proportional memory (PSS) is the fair measure, since children share torch with their zygote, but it costs a walk
    over page tables. Resident memory is cheap and never less, so below the limit it decides alone.
    """
    resident = sum(_bytes(process, proportional=False) for process in processes)
    if resident <= enough:
        return resident
    return sum(_bytes(process, proportional=True) for process in processes)


def _bytes(process: psutil.Process, *, proportional: bool) -> int:
    try:
        if not proportional:
            return int(process.memory_info().rss)
        full = process.memory_full_info()
        return int(getattr(full, "pss", full.uss))  # only Linux tells the proportional size
    except (psutil.Error, AttributeError):
        return 0


def processor_seconds(root: int) -> float:
    """What `root` and every process below it have used of the processors, and those that have ended and were reaped."""
    total = 0.0
    try:
        family = [psutil.Process(root), *descendants(root)]
    except psutil.NoSuchProcess:
        return total
    for process in family:
        with suppress(psutil.Error):
            total += sum(process.cpu_times()[:4])  # user, system, and the same of its children that were reaped
    return total


@contextmanager
def stopped(root: int) -> Iterator[None]:
    """Keep every process below `root` from running, also those that one of them starts until it is stopped itself."""
    halted: set[psutil.Process] = set()
    try:
        while fresh := set(descendants(root)) - halted:
            for process in fresh:
                with suppress(psutil.Error):
                    process.suspend()
            halted |= fresh
        yield
    finally:
        for process in halted:
            with suppress(psutil.Error):
                process.resume()


def kill_tree(root: int) -> None:
    """Kill every process below `root` until none is left, then `root` itself.

    The root comes last: as long as it lives, orphans come back to it (it is a subreaper, or the first process of a pid
    namespace), so that nothing gets out of sight.
    """
    for _ in range(KILL_ROUNDS):
        family = descendants(root)
        if not family:
            break
        for member in family:
            _kill(member)
        time.sleep(PAUSE_SECONDS)
    try:
        _kill(psutil.Process(root))
    except psutil.NoSuchProcess:
        return


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return
