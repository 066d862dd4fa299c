"""Parts 4 and 6 of the published handout: a script that has no interface, run where it finds what its author had.

Nothing is asked of its command line, folders or devices. Its data sets lead to drawn ones, whatever root it names; it
trains for a few epochs; weights come from where `grader.probes.weight_files` says.
"""

import argparse
import importlib.util
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import torch

from grader.probes import choices
from grader.probes.digests import as_bytes, saved
from grader.probes.documented import documented
from grader.probes.elsewhere import Elsewhere
from grader.probes.recording import Recorder, Stop, before
from grader.probes.scripts import execute, write
from grader.probes.shortening import Shortening
from grader.probes.supplies import Supplier
from grader.probes.trainings import Trainings
from grader.probes.weight_files import WeightFiles
from grader.worker.loading import load_in_one_process

# Of a SegFormer, which has 15 MiB; whoever keeps the optimizer's state, too, needs three times as much.
MOST_BYTES = 64 << 20
MOST_FILES = 4
LAST = "last weights"
# From a variable of the environment to the code that asks for it: `os.environ.get` and `os.getenv` lie between.
CALLERS = 4
# A folder that only one of the data sets has, and the name of that data set.
FOLDERS = {"oxford-iiit-pet": "pets", "leftImg8bit": "streets", "gtFine": "streets"}


def run(
    variation: dict[str, Any],
    files: dict[str, torch.Tensor],
    data: dict[str, str],
    seed: int,
    known: list[str],
    settings: dict[str, Any],
) -> dict[str, Any]:
    """Run a script of the submission.

    Args:
        variation: which and how: `script`, its path in the hand-in; `arguments`; `environment`, variables that are set
            for it; `values`, by the name of what the script sets, another expression; `call`, a statement in place of
            those that train, or None; `lines`, first and last line of a block that is no longer commented out.
        files: written into the working folder first, by relative path: bytes (n,).
        data: by data set, `pets` or `streets`, the relative folder that holds it.
        seed: of the weights that are served, and of those that are in every file that it loads.
        known: end it where a training of such a kind begins.
        settings: `seconds`, after which it is ended, in whatever line it is; `threads`, how many torch may use; for a
            longer training `epochs`, `batch_size` of its loaders, and `keep`, the kind of a training whose last weights
            are returned as `run["kept"]`, and after which it ends.

    Returns:
        `run` as `grader.probes.scripts.run` describes it; `choices` as `grader.probes.choices.offered` does, with the
        variables of the `environment` that it asks for and the commands that are `documented`; `parser`: the options of
        its parser; `left`: weights files that it left, by relative path, as bytes (n,).
    """
    root, work = os.environ["GRADER_SUBMISSION"], Path.cwd()
    write(files)
    torch.set_num_threads(settings["threads"])
    load_in_one_process(keep_last=True, batch_size=settings.get("batch_size"))
    shortening = Shortening(settings.get("epochs"))
    trainings = Trainings(settings.get("keep"), shortening.asked)
    recorder, supplier = Recorder(None, trainings, known), Supplier(seed, trainings)
    elsewhere = Elsewhere(work, {folder: work / data[name] for folder, name in FOLDERS.items()})
    given = [work / name for name in files if name.endswith((".pth", ".pt", ".ckpt", ".bin", ".tar"))]
    supplier.install()
    recorder.install()
    elsewhere.install()
    WeightFiles(seed, elsewhere, supplier, recorder, given).install()
    shortening.install(root)
    _watch_pictures(trainings)
    asked, offered = _watch_environment(root), dict[str, Any](values={}, words={}, calls=[], lines=[])
    os.environ.update(variation["environment"])
    with _in_time(settings["seconds"]):
        changed = partial(_changed, variation, shortening, offered)
        ended = execute(root, variation["script"], variation["arguments"], changed)
    os.chdir(work)
    if ended["error"] is not None:
        recorder.broke_off()
    seen = recorder.told() | {"requests": supplier.told()}
    seen |= _nothing_else(seen["saved"]) | (_kept(trainings.kept) if trainings.kept is not None else {})
    said = {"environment": sorted(asked), "documented": documented(Path(root), variation["script"])}
    return {
        "run": ended | seen,
        "choices": offered | said,
        "parser": _told(recorder.parser) if recorder.parser is not None else None,
        "left": _left(seen["saved"], seen["trainings"]),
    }


def _changed(
    variation: dict[str, Any], shortening: Shortening, offered: dict[str, Any], source: bytes, path: str
) -> Any:
    """The syntax tree of a script as its variation has it; `offered` gets the choices that it leaves as it stands."""
    tree = choices.parsed(source, path)
    text = importlib.util.decode_source(source)
    offered.update(choices.offered(tree, text))
    if variation["lines"]:
        tree = choices.parsed(choices.uncommented(text, *variation["lines"]), path)
    choices.choose(tree, variation["values"], variation["call"])
    shortening.change(tree)
    return tree


@contextmanager
def _in_time(seconds: float) -> Iterator[None]:
    """Raise `Stop` in whatever line is run when so much time has passed."""
    signal.signal(signal.SIGALRM, _stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)


def _stop(*_: Any) -> NoReturn:
    raise Stop


def _watch_environment(root: str) -> set[str]:
    """Note which variables of the environment the hand-in's own code asks for."""
    asked: set[str] = set()

    class Watched(type(os.environ)):  # type: ignore[misc]
        """The environment, which notes who asks for what."""

        def __getitem__(self, name: str) -> str:
            frame: FrameType | None = sys._getframe(1)
            for _ in range(CALLERS):
                if frame is not None and frame.f_code.co_filename.startswith(root):
                    asked.add(str(name))
                frame = frame.f_back if frame is not None else None
            return str(super().__getitem__(name))

    os.environ.__class__ = Watched
    return asked


def _watch_pictures(trainings: Trainings) -> None:
    """Note which data set the latest picture was read from."""
    from PIL import Image

    def opened(file: Any, *_positional: Any, **_named: Any) -> None:
        name = os.fspath(file)
        trainings.data = next((data for folder, data in FOLDERS.items() if folder in name), trainings.data)
        trainings.opened.update([trainings.data] if trainings.data else [])

    before(Image, "open", opened)


def _nothing_else(files: list[dict[str, Any]]) -> dict[str, Any]:
    """What is asked of scripts with an interface only."""
    names = sorted({each["path"] for each in files})
    return {"files": names, "history": None, "checkpoints": {}, "kept_name": None, "kept": None}


def _kept(state: dict[str, torch.Tensor]) -> dict[str, Any]:
    """The last weights of a training, as a file."""
    found: dict[str, Any] = {"problem": None, "digests": {}, "shapes": {}}
    return {"checkpoints": {LAST: found}, "kept_name": LAST, "kept": saved(state)}


def _left(files: list[dict[str, Any]], trainings: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """The weights files of trainings on streets, for what is to start from them; the latest first."""
    found: dict[str, torch.Tensor] = {}
    for file in reversed(files):
        path = Path(file["path"])
        of_streets = 0 <= file["of"] < len(trainings) and trainings[file["of"]]["data"] == "streets"
        if of_streets and path.is_file() and path.stat().st_size <= MOST_BYTES and len(found) < MOST_FILES:
            found[path.as_posix()] = as_bytes(path.read_bytes())
    return found


def _told(parser: argparse.ArgumentParser) -> dict[str, Any]:
    """The options of a parser, and those of its commands."""
    told: dict[str, Any] = {"options": [], "commands": {}}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            told["commands"] = {str(name): _told(each) for name, each in action.choices.items()}
        elif not isinstance(action, argparse._HelpAction):
            told["options"].append(
                {
                    "names": list(action.option_strings),
                    "dest": str(action.dest),
                    "choices": [str(each) for each in action.choices or ()],
                    "switch": action.nargs == 0,
                    "default": str(action.default),
                    "required": bool(action.required),
                }
            )
    return told
