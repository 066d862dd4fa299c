"""Parts 4 and 6: a training script, run as its user runs it, from its first line to its end.

The script runs in this very process and not in one of its own: torch's import, which takes seconds, was paid by the
process that this one was forked from, and PyTorch's hooks can watch. Nothing else differs from `python train.py ...`:
the working folder is fresh and can be written to, the module is called `__main__`, and the process ends after it.
"""

import csv
import os
import sys
import types
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from grader.probes.digests import as_bytes, digest
from grader.probes.recording import Recorder, Stop
from grader.probes.supplies import Supplier
from grader.probes.trainings import Trainings
from grader.probes.weights import state_of
from grader.worker.serve import describe

WEIGHTS = (".pth", ".pt")
TEXT_BYTES = 65536
MOST_FILES = 100


def run(
    script: str,
    arguments: list[str],
    files: dict[str, torch.Tensor | dict[str, torch.Tensor]],
    output: str,
    seed: int,
    *,
    keep: bool,
    seconds: float | None,
    threads: int,
) -> dict[str, Any]:
    """Run a script of the submission.

    Args:
        script: its name, `train.py`.
        arguments: its command line.
        files: written into the working folder first, by relative path: bytes (n,), or the tensors of a weights file.
        output: the folder, relative too, that the command line names for results.
        seed: of the weights that are served to who asks for trained ones.
        keep: return the bytes of the last model.
        seconds: end it at the first optimizer step after so long; 0 ends it at its very first.
        threads: how many torch may use.

    Returns:
        How it ended (`status`, `error`, `stopped`), what it wrote (`files`, `history`, `checkpoints`, `kept`), what it
        requested, and what `Recorder.told` lists. All is None or empty where there is no such script.
    """
    root = os.environ["GRADER_SUBMISSION"]
    write(files)
    torch.set_num_threads(threads)
    trainings = Trainings()
    recorder, supplier = Recorder(seconds, trainings), Supplier(seed, trainings)
    supplier.install()
    recorder.install()
    ended = execute(root, script, arguments)
    return ended | recorder.told() | {"requests": supplier.told()} | _results(Path(output), keep=keep)


def write(files: Mapping[str, torch.Tensor | dict[str, torch.Tensor]]) -> None:
    """Write files below the working folder, by relative path: bytes (n,), or the tensors of a weights file."""
    for name, content in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, dict):
            torch.save(content, path)
        else:
            path.write_bytes(content.numpy().tobytes())


def execute(
    root: str, script: str, arguments: list[str], changed: Callable[[bytes, str], Any] | None = None
) -> dict[str, Any]:
    """Run a file as `__main__`; code and tracebacks name the submission's file, `__file__` its link in this folder.

    Args:
        root: the folder of the submission.
        script: by its path in there.
        arguments: its command line.
        changed: makes, of source and path, what is compiled in its place.
    """
    if not Path(root, script).is_file():
        return {"status": None, "error": None, "stopped": False}
    status, error, stopped = 0, None, False
    main, before = types.ModuleType("__main__"), sys.modules["__main__"]
    main.__dict__.update(__file__=str(Path.cwd() / script), __builtins__=__builtins__)
    sys.argv, sys.modules["__main__"] = [script, *arguments], main
    try:
        path = Path(root, script)
        source = path.read_bytes()
        exec(compile(changed(source, str(path)) if changed else source, str(path), "exec"), main.__dict__)  # noqa: S102
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)  # noqa: T201 - as Python does
    except Stop:
        stopped = True
    except BaseException as failure:  # noqa: BLE001 - whatever ends it is the answer
        status, error = 1, describe(failure, root)
        print(f"Traceback (most recent call last):\n{error['traceback']}", file=sys.stderr)  # noqa: T201 - as above
    finally:
        sys.modules["__main__"] = before
    sys.stdout.flush()
    sys.stderr.flush()
    return {"status": status, "error": error, "stopped": stopped}


def _results(output: Path, *, keep: bool) -> dict[str, Any]:
    """What lies in the folder of the results."""
    found = sorted(path for path in output.rglob("*") if path.is_file())[:MOST_FILES]
    weights = [path for path in found if path.suffix in WEIGHTS]
    history = next((path for path in found if path.name == "history.csv"), None)
    last = max(weights, key=lambda path: (path.name.endswith("_model_last.pth"), "last" in path.name), default=None)
    kept = _content(last) if keep and last is not None else None
    return {
        "files": [path.relative_to(output).as_posix() for path in found],
        "history": _rows(history) if history is not None else None,
        "checkpoints": {path.relative_to(output).as_posix(): _checkpoint(path, full=path == last) for path in weights},
        "kept_name": last.relative_to(output).as_posix() if last is not None and kept is not None else None,
        "kept": kept,
    }


def _content(path: Path) -> torch.Tensor | None:
    """The bytes (n,) of a file, None if it cannot be read, whatever it is by its name."""
    try:
        return as_bytes(path.read_bytes())
    except OSError:
        return None


def _rows(history: Path) -> list[list[str]]:
    """The cells of a CSV file, none if it is a file of another kind, or cannot be read."""
    try:
        with history.open(newline="", encoding="utf-8", errors="replace") as file:
            return list(csv.reader(file.read(TEXT_BYTES).splitlines()))
    except (OSError, csv.Error):
        return []


def _checkpoint(path: Path, *, full: bool) -> dict[str, Any]:
    """The shapes of a weights file's tensors, with `full` also their digests, or why it cannot be read."""
    try:
        # What is only looked at is not read; files of the format before 2020 can only be read.
        lazy = zipfile.is_zipfile(path)
        state = state_of(torch.load(path, map_location="cpu", weights_only=True, mmap=lazy))
    except Exception as error:  # noqa: BLE001 - whatever a strange file leads to
        return {"problem": f"{type(error).__name__}: {error}"[:300], "digests": {}, "shapes": {}}
    if state is None:
        return {"problem": "it holds no state dict", "digests": {}, "shapes": {}}
    return {
        "problem": None,
        "digests": {name: digest(value) for name, value in state.items() if full},
        "shapes": {name: list(value.shape) for name, value in state.items()},
    }
