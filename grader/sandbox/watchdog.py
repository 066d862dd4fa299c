"""The memory limit of a whole process tree.

No resource limit covers a tree, so a thread of the trusted process looks at it ten times a second. Proportional memory
(PSS) is the fair measure, since the children share torch with their zygote, but costs a walk over page tables. Resident
memory is cheap and never less than PSS, so PSS is only asked for when the sum of resident memory is over the limit.
"""

import threading

import psutil

INTERVAL_SECONDS = 0.1


class Watchdog:
    """Watch the tree below a process and kill all of it when its memory is over the limit.

    Args:
        pid: the root of the tree.
        limit: bytes of proportional memory.
    """

    def __init__(self, pid: int, limit: int) -> None:
        self.exceeded: int | None = None
        self._root = pid
        self._limit = limit
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"memory of {pid}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._stopped.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(INTERVAL_SECONDS):
            used = tree_memory(self._root, self._limit)
            if used > self._limit:
                self.exceeded = used
                self._kill()
                return

    def _kill(self) -> None:
        for member in _tree(self._root):
            try:
                member.kill()
            except psutil.Error:
                continue


def _tree(root: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(root)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def tree_memory(root: int, enough: int) -> int:
    """Bytes that a process tree uses: its resident sum if that is at most `enough`, else its proportional sum."""
    members = _tree(root)
    resident = sum(_bytes(member, proportional=False) for member in members)
    if resident <= enough:
        return resident
    return sum(_bytes(member, proportional=True) for member in members)


def _bytes(process: psutil.Process, *, proportional: bool) -> int:
    try:
        if proportional:
            return int(process.memory_full_info().pss)
        return int(process.memory_info().rss)
    except (psutil.Error, AttributeError):
        return 0
