"""The limits of a whole process tree, which no resource limit covers: its memory, its processes and its disk space.

A thread of the trusted process looks at the tree ten times a second while there is something to watch. The number of
processes has a resource limit of its own, but the kernel does not apply it to root. Under bubblewrap the scratch folder
is a file system with a size, and the folder that is watched here stays empty.
"""

import os
import stat
import threading
from pathlib import Path

from grader.sandbox.limits import MIB, Limits
from grader.sandbox.processes import descendants, kill_tree, memory

INTERVAL_SECONDS = 0.1
MOST_LEVELS = 100
BLOCK = 512


class Watchdog:
    """Watch the tree below a process and kill all of it when it is over a limit.

    `exceeded` is None, or the kind of limit and a sentence that names the limit and what was reached; `fault` is None,
    or what went wrong in the watchdog itself. In either case the tree is dead: nothing runs unwatched. It sleeps until
    `wake`, so that what only waits for its turn costs nothing.

    Args:
        root: the process whose descendants are watched.
        limits: of which memory, processes and the size of files count.
        scratch: the folder that the tree may write to.
    """

    def __init__(self, root: int, limits: Limits, scratch: Path) -> None:
        self.exceeded: tuple[str, str] | None = None
        self.fault: Exception | None = None
        self._root = root
        self._limits = limits
        self._scratch = scratch
        self._awake = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"limits of {root}", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Watch from now on."""
        self._awake.set()

    def sleep(self) -> None:
        """Stop watching, after one last look at the most, until `wake`."""
        self._awake.clear()

    def stop(self) -> None:
        """Stop watching for good."""
        self._stopped.set()
        self._awake.set()
        self._thread.join()

    def _watch(self) -> None:
        try:
            while self.exceeded is None and self._awake.wait() and not self._stopped.wait(INTERVAL_SECONDS):
                self.exceeded = self._look()
        except Exception as error:  # noqa: BLE001 - told by whoever finds the tree dead
            self.fault = error
        if self.exceeded is not None or self.fault is not None:
            kill_tree(self._root)

    def _look(self) -> tuple[str, str] | None:
        limits, family = self._limits, descendants(self._root)
        if len(family) > limits.processes:
            return "processes", f"Ran {len(family)} processes at once, over the limit of {limits.processes}."
        used, allowed = memory(family, limits.memory_mib * MIB), limits.memory_mib * MIB
        if used > allowed:
            return "memory", f"Used {used / MIB:.0f} MiB of memory, over the limit of {limits.memory_mib} MiB."
        written, room = folder_size(self._scratch), limits.file_mib * MIB
        if written is None:
            return "disk", f"Made folders that cannot be measured: closed, or over {MOST_LEVELS} deep."
        if written > room:
            return "disk", f"Wrote {written / MIB:.0f} MiB of files, over the limit of {limits.file_mib} MiB."
        return None


def folder_size(folder: Path) -> int | None:
    """Bytes that the files below a folder take on the disk, None if it is closed or nested to hide them."""
    size, level = 0, [os.fspath(folder)]
    for _ in range(MOST_LEVELS):
        below: list[str] = []
        for place in level:
            try:
                with os.scandir(place) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            below.append(entry.path)
                        else:
                            size += entry.stat(follow_symlinks=False).st_blocks * BLOCK
            except PermissionError:
                if _can_hide(place):
                    return None
            except OSError:
                continue  # it has vanished meanwhile
        level = below
        if not level:
            return size
    return None


def _can_hide(folder: str) -> bool:
    """Whether a folder that cannot be listed can be written to: one without any permission holds nothing."""
    try:
        return bool(os.lstat(folder).st_mode & stat.S_IWUSR)
    except OSError:
        return False
