"""Every limit of a worker, with its default, in one place."""

import os

import psutil
from pydantic import Field

from grader.records import Record

MIB = 1 << 20


class Limits(Record):
    """What one check may use."""

    start_seconds: float = Field(120, gt=0, description="until a worker has imported torch")
    call_seconds: float = Field(10, gt=0, description="wall clock of one probe call")
    check_seconds: float = Field(20, gt=0, description="wall clock of all calls of one check")
    script_seconds: float = Field(60, gt=0, description="wall clock of one run of a training script on a few images")
    # The solution takes 40 s on two cores: whoever is three times slower still gets a verdict.
    smoke_seconds: float = Field(120, gt=0, description="wall clock of a smoke training")
    memory_mib: int = Field(4096, gt=0, description="proportional memory (PSS) of the whole process tree")
    processes: int = Field(256, gt=0, description="processes and threads, above what the user already runs")
    files: int = Field(512, gt=0, description="open files of a process")
    # A training of FCN leaves two models of 126 MiB each, more with an auxiliary classifier.
    file_mib: int = Field(512, gt=0, description="size of a file, and of the private /tmp")
    log_kib: int = Field(64, gt=0, description="what is kept of the prints of a check")

    def lasting(self, seconds: float) -> "Limits":
        """The same for a check whose calls may take so long, such as one that runs a training script."""
        return self.model_copy(update={"call_seconds": seconds, "check_seconds": seconds})

    def for_reference(self) -> "Limits":
        """The same for the solution, with no less than the defaults: a tight limit is meant for submissions."""
        default = Limits()
        return Limits(**{name: max(value, getattr(default, name)) for name, value in self})

    def for_worker(self, *, own_user: bool) -> dict[str, int]:
        """The resource limits that a worker sets for itself, by the names of `grader.worker.confine.LIMITS`.

        Args:
            own_user: the worker has a user id that nobody else uses, so no other process counts against it.
        """
        cores = os.cpu_count() or 1
        return {
            "processes": self.processes + (0 if own_user else threads_of_this_user()),
            "files": self.files,
            "file_bytes": self.file_mib * MIB,
            # Fails one huge allocation at once; what adds up is the watchdog's. Address space is no measure: CUDA maps
            # far more than it uses.
            "data_bytes": 4 * self.memory_mib * MIB,
        } | {"cpu_seconds": int(2 * cores * max(self.check_seconds, self.script_seconds, self.smoke_seconds)) + 60}


def threads_of_this_user() -> int:
    """How many threads this user runs: the kernel counts them all against RLIMIT_NPROC."""
    mine = os.getuid()
    count = 0
    for process in psutil.process_iter(["uids", "num_threads"]):
        uids, threads = process.info["uids"], process.info["num_threads"]
        if uids is not None and uids.real == mine:
            count += threads or 1
    return count


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
