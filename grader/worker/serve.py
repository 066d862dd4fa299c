"""The child of one check: it calls probes on the submission and describes what came out, or what went wrong."""

import errno
import importlib
import os
import socket
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import torch

from grader.worker import stubs
from grader.worker.alarms import Alarms
from grader.worker.answers import WrongAnswer, is_open_task, set_root
from grader.worker.channel import Channel
from grader.worker.devices import fall_back
from grader.worker.loading import end_loaders_soon, load_in_one_process
from grader.worker.syntax import python_needed

FOREVER = 1e6
MESSAGE_LENGTH = 4000
FRAMES_SHOWN = 8
UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL)
# Of an NVIDIA or AMD GPU, or of any other; on other systems nobody can tell by a file.
DEVICES = ("nvidia[0-9]*", "kfd", "dri")
HAS_DEVICES = sys.platform != "linux" or any(any(Path("/dev").glob(pattern)) for pattern in DEVICES)
NETWORKING = frozenset({"socket", "ssl", "http.client", "urllib.request"})


def set_the_stage(submission: str, scratch: str, *, shared_memory: bool) -> None:
    """Make this process look as if the student had started Python with the submission's folder on its path.

    Args:
        submission: the folder that is imported from.
        scratch: where a folder of the check's own is made.
        shared_memory: processes can share memory and semaphores here.
    """
    sys.path.insert(0, submission)
    sys.argv = ["grader"]
    sys.dont_write_bytecode = True
    os.chdir(tempfile.mkdtemp(dir=scratch))
    for entry in os.listdir(submission):  # noqa: PTH208 - links by name: relative paths work, and so does writing
        os.symlink(Path(submission, entry), entry)  # noqa: PTH211 - as above
    os.environ["HOME"] = os.environ["TMPDIR"] = str(Path.cwd())
    tempfile.tempdir = None
    stubs.install()
    end_loaders_soon()
    if not shared_memory:
        load_in_one_process()


def answer_calls(channel: Channel, submission: str) -> None:
    """Answer one call after another until the trusted side closes the channel."""
    alarms = Alarms(submission)
    while True:
        request = channel.receive(time.monotonic() + FOREVER)
        said = answer(request, submission)
        channel.send(said | {"alarms": alarms.found()}, time.monotonic() + FOREVER)


def answer(request: dict[str, Any], submission: str) -> dict[str, Any]:
    """Call the probe that a request names; everything that it raises is part of the answer.

    The variable `GRADER_SUBMISSION` is set anew, since an earlier call may have changed the environment: a probe
    that needs it reads it before the submission runs.
    """
    try:
        os.environ["GRADER_SUBMISSION"] = submission
        set_root(submission)
        seed_torch(request["seed"])
        if request["any_device"]:
            fall_back()
        module, _, name = request["probe"].partition("_")
        probe = getattr(importlib.import_module(f"grader.probes.{module}"), name)
        return {"ok": True, "value": from_torch(probe(**to_torch(request["arguments"])))}
    except BaseException as error:  # noqa: BLE001 - SystemExit and KeyboardInterrupt are answers of a submission, too
        return {"ok": False, "error": describe(error, submission)}


def seed_torch(seed: int) -> None:
    """Seed whatever torch draws from.

    For a GPU that nobody has used yet, torch keeps the seed together with the stack, which takes longer than a call.
    """
    (torch.manual_seed if HAS_DEVICES else torch.default_generator.manual_seed)(seed)


def to_torch(value: Any) -> Any:
    """Turn every array of a tree into a tensor with memory of its own."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    if isinstance(value, dict):
        return {key: to_torch(item) for key, item in value.items()}
    if isinstance(value, list):
        return [to_torch(item) for item in value]
    return value


def from_torch(value: Any) -> Any:
    """Turn every tensor of a tree into an array; `bfloat16`, which numpy lacks, becomes float32."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().resolve_conj().resolve_neg()
        return (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    if isinstance(value, dict):
        return {str(key): from_torch(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [from_torch(item) for item in value]
    return value


def describe(error: BaseException, submission: str) -> dict[str, Any]:
    """Tell an exception in JSON: its type, its message, and the submission's own frames."""
    root = submission.rstrip(os.sep) + os.sep
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(root)]
    lines = traceback.format_list(frames[-FRAMES_SHOWN:]) + traceback.format_exception_only(error)
    last = frames[-1] if frames else None
    filename, line = (last.filename, last.lineno) if last else ("", None)
    needs = None
    if isinstance(error, SyntaxError) and error.filename and error.filename.startswith(root):
        filename, line = error.filename, error.lineno
        needs = python_needed(filename)
    return {
        "type": type(error).__name__,
        "bases": [base.__name__ for base in type(error).__mro__],
        "message": _text(error),
        "traceback": "".join(lines).replace(root, "")[-MESSAGE_LENGTH:],
        "where": f"{filename.removeprefix(root)}:{line}" if filename else None,
        "wrong_answer": isinstance(error, WrongAnswer),
        "open_task": is_open_task(error),
        "errno": error.errno if isinstance(error, OSError) else None,
        "missing_module": error.name if isinstance(error, ModuleNotFoundError) else None,
        "lacks": _lacks(error),
        "python": needs,
    }


def _lacks(error: BaseException) -> str | None:
    """What the code reached for that a sandbox does not have, if that is what it ran into."""
    passed = {str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(error.__traceback__)}
    if isinstance(error, PermissionError) and "multiprocessing.synchronize" in passed:
        return "shared memory"
    unreachable = isinstance(error, OSError) and error.errno in UNREACHABLE
    if unreachable or isinstance(error, (ConnectionError, socket.gaierror)) or not passed.isdisjoint(NETWORKING):
        return "network"
    return None


def _text(error: BaseException) -> str:
    try:
        return str(error)[:MESSAGE_LENGTH]
    except BaseException as second:  # noqa: BLE001 - a student's __str__ may raise anything
        return f"(its message cannot be printed: {type(second).__name__})"
