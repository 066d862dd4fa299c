"""Data loaders and their processes: what works in a sandbox, and ends in time."""

import functools
import inspect
from typing import Any

from torch.utils.data import DataLoader, _utils

PATIENCE_SECONDS = 0.5
OF_WORKERS = ("num_workers", "timeout", "multiprocessing_context", "prefetch_factor", "persistent_workers")


def end_loaders_soon() -> None:
    """Have a `DataLoader` end a process that does not end by itself after half a second, in place of five.

    Such processes come up on busy machines. Four of them, two for each split, would take longer than a call may.
    """
    _utils.MP_STATUS_CHECK_INTERVAL = PATIENCE_SECONDS


def load_in_one_process(*, keep_last: bool = False, batch_size: int | None = None) -> None:
    """Have every `DataLoader` load in the process that iterates over it, which gives the same batches.

    Worker processes need semaphores in /dev/shm. Landlock cannot give a private one, and the host's is not for them.

    Args:
        keep_last: keep a last batch that is smaller than the others, which is the only one where images are few.
        batch_size: of every loader that makes its own batches.
    """
    unwanted = (*OF_WORKERS, "drop_last") if keep_last else OF_WORKERS
    plain = DataLoader.__init__
    signature = inspect.signature(plain)

    @functools.wraps(plain)
    def init(*positional: Any, **named: Any) -> None:
        call = signature.bind(*positional, **named)
        for name in unwanted:
            call.arguments.pop(name, None)
        if batch_size is not None and call.arguments.get("batch_sampler") is None:
            call.arguments["batch_size"] = batch_size
        plain(*call.args, **call.kwargs)

    DataLoader.__init__ = init  # type: ignore[method-assign]
