"""Where the data of a reproduction come from: the user's folder, or look-alikes in a cache of ours."""

import json
import os
import sys
from pathlib import Path
from typing import Final, NamedTuple

from grader.errors import UsageError
from grader.experiments.plans import Experiment
from grader.lookalikes import SCALES, Progress, make_lookalikes
from grader.lookalikes.making import MARKER, PETS, STREETS, VERSION
from grader.records import Scale

FOLDERS: Final = {"pets": PETS, "streets": STREETS}


class Source(NamedTuple):
    """Data to train on.

    `identity` tells one set from another: whatever was trained on a set with another identity is trained anew.
    """

    root: Path
    identity: str
    lookalikes: bool

    def missing(self, experiment: Experiment) -> str | None:
        """Say what an experiment does not find here, if anything."""
        folder = FOLDERS[experiment.data]
        return None if (self.root / folder).is_dir() else f"{str(self.root)!r} holds no {folder}/"


def open_source(data_root: Path | None, scale: Scale, progress: Progress) -> Source:
    """Return the data in `data_root`, or, without one, look-alikes, which are made on their first use.

    Args:
        data_root: a folder that holds `oxford-iiit-pet/`, `cityscapes/` or both.
        scale: of the look-alikes.
        progress: is told of images drawn, if any are.

    Raises:
        UsageError: there are no data in the folder, or look-alikes of which some are missing.
    """
    if data_root is None:
        data_root = cached_lookalikes(scale, progress)
    root = data_root.resolve()
    if not any((root / folder).is_dir() for folder in FOLDERS.values()):
        raise UsageError(
            f"--data-root: {str(data_root)!r} holds neither {PETS}/ nor {STREETS}/. "
            f"Without --data-root, look-alikes are used."
        )
    if not (root / MARKER).exists():
        return Source(root, str(root), lookalikes=False)
    made = json.loads((root / MARKER).read_text(encoding="utf-8"))
    if not made.pop("finished"):
        raise UsageError(
            f"--data-root: {str(data_root)!r} holds look-alikes of which some are missing. "
            f"Finish them: python -m grader data --root {data_root} --scale {made['scale']} --seed {made['seed']}"
        )
    words = ", ".join(f"{key} {value}" for key, value in made.items())
    return Source(root, f"look-alikes ({words})", lookalikes=True)


def cached_lookalikes(scale: Scale, progress: Progress) -> Path:
    """Make the look-alikes of a scale in the user's cache, unless they are there, and return their folder.

    The folder's name holds all that makes one set differ from another, so that an older set is never in the way.
    """
    numbers = "-".join(str(count) for count in SCALES[scale])
    root = cache_folder() / "lookalikes" / f"{scale}-v{VERSION}-{numbers}"
    make_lookalikes(root, scale, progress=progress)
    return root


def cache_folder() -> Path:
    """Return where this platform's users expect files that can be made again, in a folder of our own."""
    default = Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    return Path(os.environ.get("XDG_CACHE_HOME") or default) / "segcourse-grader"
