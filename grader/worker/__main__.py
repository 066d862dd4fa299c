"""The zygote: imports torch once, then forks a fresh child for each check.

Started by `grader.sandbox` as `python -s -P -B .../grader/worker/__main__.py <control descriptor>`, inside the
isolation. The first frame on the control socket carries the settings. Then the trusted side sends one byte at a time:

    F  with two descriptors: fork a child that answers calls on the first and prints to the second
    S  the same, with a child that imports from the second tree
    E  the child's channel has ended: let it exit by itself, reap it and everything it left behind, tell how it ended
    K  the same, killing it at once

When the control socket closes, the trusted side is gone: everything below the zygote is killed and it exits.
"""

import gc
import importlib
import os
import pkgutil
import platform
import resource
import signal
import socket
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from grader.worker.alarms import originals
from grader.worker.channel import Channel, ChannelClosed, FrameCaps
from grader.worker.cleaning import remove
from grader.worker.compiler import postpone_compiler
from grader.worker.confine import (
    apply_limits,
    become_subreaper,
    die_with_parent,
    restrict_calls,
    restrict_files,
    restrict_signals,
)

# Looked up by file: the probes are written with what stands in this package.
PROBES = str(Path(__file__).resolve().parents[1] / "probes")
# What children confine themselves with, where the host has it.
CONFINING = ("landlock", "pyseccomp")
SETTLE_SECONDS = 1.0
SWEEP_SECONDS = 2.0


def main() -> None:
    """Confine this process, import what every check needs, and serve the trusted side until it goes."""
    control = socket.socket(fileno=int(sys.argv[1]))
    channel = Channel(control, FrameCaps())
    settings = channel.receive(time.monotonic() + 60)
    os.environ["TMPDIR"] = settings["scratch"]
    become_subreaper()
    apply_limits(settings["limits"])
    if settings["landlock"] is not None:
        restrict_files(**settings["landlock"])
    channel.send(prepare(settings), time.monotonic() + 60)
    control.setblocking(True)
    serve(control, channel, settings)


def prepare(settings: dict[str, Any]) -> dict[str, Any]:
    """Import torch and what the submission will import anyway, and tell what was found.

    Nothing of it is ever garbage. Without the collector the imports take a sixth less, and what is frozen no child
    looks through, nor copies the pages that looking writes to.
    """
    gc.disable()
    import torch

    torch.set_num_threads(settings["threads"])
    postpone_compiler()
    for name in CONFINING:
        with suppress(ImportError, OSError, AttributeError):
            importlib.import_module(name)
    probes = [f"grader.probes.{module.name}" for module in pkgutil.iter_modules([PROBES])]
    for name in (*probes, *settings["preload"]):
        importlib.import_module(name)
    originals()
    gc.freeze()
    gc.enable()
    return {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "cuda": has_gpu(),
    }


def has_gpu() -> bool:
    """Whether torch sees a GPU; it looks by the driver's library, since CUDA itself would not survive a fork."""
    import torch

    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"
    return any(Path("/dev").glob("nvidia[0-9]*")) and torch.cuda.is_available()


def serve(control: socket.socket, channel: Channel, settings: dict[str, Any]) -> None:
    """Fork and reap children as the trusted side asks."""
    child = 0
    # What is there before any check is not a check's: an interpreter may be bound into a sandbox's /tmp.
    belongs = {folder: frozenset(os.listdir(folder)) for folder in settings["wipe"]}  # noqa: PTH208 - names
    while True:
        try:
            order, descriptors, _, _ = socket.recv_fds(control, 1, 2)
        except OSError:
            order, descriptors = b"", []
        if order in (b"F", b"S"):
            child = fork(control, descriptors, settings["trees"][order == b"S"], settings)
            continue
        status, swept = reap(child, patient=order == b"E"), sweep()
        for folder in settings["wipe"]:
            remove([entry for entry in Path(folder).iterdir() if entry.name not in belongs[folder]])
        if not order:
            os._exit(0)
        channel.send({"status": status, "swept": swept}, time.monotonic() + 10)
        control.setblocking(True)


def fork(control: socket.socket, descriptors: list[int], tree: str, settings: dict[str, Any]) -> int:
    """Start a child that answers calls on the first descriptor and prints to the second."""
    calls, log = descriptors
    child = os.fork()
    if not child:
        control.close()
        run_child(calls, log, tree, settings)
    os.close(calls)
    os.close(log)
    return child


def run_child(calls: int, log: int, tree: str, settings: dict[str, Any]) -> NoReturn:
    """Be the fresh process of one check: a session, folder and log of its own."""
    try:
        os.setsid()
        die_with_parent()
        restrict_signals()
        if settings["filter"] is not None:
            restrict_calls(**settings["filter"])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        from grader.worker.serve import answer_calls, set_the_stage

        set_the_stage(tree, settings["scratch"], shared_memory=settings["landlock"] is None)
        answer_calls(Channel(socket.socket(fileno=calls), FrameCaps()), tree)
    except ChannelClosed:
        os._exit(0)
    except BaseException:  # noqa: BLE001 - told in the log, then the process has to end whatever it was
        traceback.print_exc()
    os._exit(1)


def reap(child: int, *, patient: bool) -> int | None:
    """End a child; its wait status, or None when there was no child."""
    status = None
    deadline = time.monotonic() + (SETTLE_SECONDS if patient else 0)
    while child and status is None:
        pid, ended = os.waitpid(child, os.WNOHANG)
        if pid:
            status = ended
        elif time.monotonic() >= deadline:
            os.kill(child, signal.SIGKILL)
            status = os.waitpid(child, 0)[1]
        else:
            time.sleep(0.001)
    return status


def sweep() -> bool:
    """Kill every descendant; whether none was left in time. They are stopped first, as a fork bomb outruns a killer.

    Orphans come to the zygote, their subreaper, so that this finds a double-forked daemon too.
    """
    deadline = time.monotonic() + SWEEP_SECONDS
    stopped: set[psutil.Process] = set()
    while time.monotonic() < deadline:
        strays = psutil.Process().children(recursive=True)
        if not strays:
            return True
        fresh = set(strays) - stopped
        for stray in fresh or strays:
            with suppress(psutil.NoSuchProcess):
                stray.send_signal(signal.SIGSTOP if fresh else signal.SIGKILL)
        stopped |= fresh
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
    return False


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
