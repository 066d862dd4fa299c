"""The limits of a whole process tree, which no resource limit covers: its memory, its processes and its disk space.

A thread of the trusted process looks at the tree ten times a second. The number of processes has a resource limit of
its own, but the kernel does not apply it to root. Under bubblewrap the scratch folder is a file system with a size, and
the folder that is watched here stays empty.
"""

import os
import threading
from pathlib import Path

from grader.sandbox.limits import MIB, Limits
from grader.sandbox.processes import descendants, kill_tree, memory

INTERVAL_SECONDS = 0.1


class Watchdog:
    """Watch the tree below a process and kill all of it when it is over a limit.

    `exceeded` is None, or the kind of limit and a sentence that names the limit and what was reached.

    Args:
        root: the process whose descendants are watched.
        limits: of which memory, processes and the size of files count.
        scratch: the folder that the tree may write to.
    """

    def __init__(self, root: int, limits: Limits, scratch: Path) -> None:
        self.exceeded: tuple[str, str] | None = None
        self._root = root
        self._limits = limits
        self._scratch = scratch
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"limits of {root}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        while self.exceeded is None and not self._stopped.wait(INTERVAL_SECONDS):
            self.exceeded = self._look()
        if self.exceeded is not None:
            kill_tree(self._root)

    def _look(self) -> tuple[str, str] | None:
        limits, family = self._limits, descendants(self._root)
        if len(family) > limits.processes:
            return "processes", f"Ran {len(family)} processes at once, over the limit of {limits.processes}."
        used, allowed = memory(family, limits.memory_mib * MIB), limits.memory_mib * MIB
        if used > allowed:
            return "memory", f"Used {used / MIB:.0f} MiB of memory, over the limit of {limits.memory_mib} MiB."
        written, room = folder_size(self._scratch), limits.file_mib * MIB
        if written > room:
            return "disk", f"Wrote {written / MIB:.0f} MiB of files, over the limit of {limits.file_mib} MiB."
        return None


def folder_size(folder: Path) -> int:
    """Bytes that the files below a folder take on the disk; what vanishes meanwhile does not count."""
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                size += os.lstat(os.path.join(place, name)).st_blocks * 512  # noqa: PTH118 - a hot loop
            except OSError:
                continue
    return size
