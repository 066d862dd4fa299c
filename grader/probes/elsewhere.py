"""Has a script find here what its author had there: data sets, folders, and paths of another machine.

Only names are changed, in Python's own functions for files: what lies in the folders of the Oxford-IIIT Pets or of
Cityscapes leads to the data sets that were drawn for the run, and what lies outside of the working folder and does not
exist on this machine leads to a folder inside of it. Folders that the author must have had are made.
"""

import builtins
import functools
import io
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = ".elsewhere"
# A folder that only one of the two data sets has, with whatever comes before it.
DATA_SET = re.compile(r"(?:.*[/\\])?(oxford-iiit-pet|leftImg8bit|gtFine)((?:[/\\].*)?)$", re.DOTALL)
ONE_PATH = ("stat", "lstat", "listdir", "scandir", "access", "readlink", "remove", "unlink", "rmdir", "utime", "chmod")
TWO_PATHS = ("rename", "replace", "link", "symlink")


class Elsewhere:
    """Where paths of another machine lead to.

    Args:
        work: the working folder, which can be written to.
        data: by the name of a data set's own folder, the folder here that has it.
    """

    def __init__(self, work: Path, data: dict[str, Path]) -> None:
        self._work = str(work)
        self._data = {name: str(folder) for name, folder in data.items()}
        self._plain_lstat, self._plain_mkdir, self._plain_open = os.lstat, os.mkdir, io.open

    def install(self) -> None:
        """Have Python's functions for files ask here from now on."""
        self._free_folders()
        for names, paths in ((ONE_PATH, 1), (TWO_PATHS, 2)):
            for name in names:
                setattr(os, name, self._mapped(getattr(os, name), paths))
        os.mkdir = self._mkdir
        os.chdir = self._staying(os.chdir)  # type: ignore[assignment]
        builtins.open = io.open = self._open

    def here(self, path: Any) -> Any:
        """The path on this machine: another one only for what a data set has, or what does not exist here."""
        text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else None
        if not isinstance(text, str):
            return path
        if (found := DATA_SET.match(text)) and (folder := self._data.get(found[1])):
            return os.path.normpath(f"{folder}/{found[1]}{found[2]}".replace("\\", "/"))
        whole = os.path.normpath(os.path.join(os.getcwd(), text))  # noqa: PTH109, PTH118 - pathlib would ask here again
        if whole == self._work or whole.startswith(self._work + os.sep) or self._exists(whole):
            return path
        return f"{self._work}/{FOLDER}/{whole.lstrip(os.sep)}"

    def _exists(self, path: str) -> bool:
        try:
            self._plain_lstat(path)
        except (OSError, ValueError):
            return False
        return True

    def _free_folders(self) -> None:
        """Folders of the hand-in without code are for results: let them be written to."""
        for entry in Path(self._work).iterdir():
            if entry.is_symlink() and entry.is_dir() and not any(entry.resolve().rglob("*.py")):
                content = entry.resolve()
                entry.unlink()
                shutil.copytree(content, entry)

    def _mapped(self, plain: Callable[..., Any], paths: int) -> Callable[..., Any]:
        @functools.wraps(plain)
        def mapped(*positional: Any, **named: Any) -> Any:
            return plain(*map(self.here, positional[:paths]), *positional[paths:], **named)

        return mapped

    def _mkdir(self, path: Any, *positional: Any, **named: Any) -> None:
        """Make a folder and those that it lies in; not again where it is there, since who asks wants to be told."""
        place = self.here(path)
        self.make_parents(place)
        self._plain_mkdir(place, *positional, **named)

    def _open(self, file: Any, mode: str = "r", *positional: Any, **named: Any) -> Any:
        place = self.here(file)
        if isinstance(place, (str, os.PathLike)) and not set("wxa").isdisjoint(mode):
            self.make_parents(place)
        return self._plain_open(place, mode, *positional, **named)

    @staticmethod
    def make_parents(place: Any) -> None:
        """Make the folders that a file is written into, which its author must have had."""
        parent = os.path.dirname(os.fspath(place))  # noqa: PTH120 - as above
        if parent and not os.path.isdir(parent):  # noqa: PTH112 - as above
            os.makedirs(parent, exist_ok=True)  # noqa: PTH103 - as above

    def _staying(self, plain: Callable[[Any], None]) -> Callable[[Any], None]:
        """Change into a folder if it is there: an author's way to his own folder is no way from here."""

        @functools.wraps(plain)
        def chdir(path: Any) -> None:
            if os.path.isdir(path):  # noqa: PTH112 - as above
                plain(self.here(path))

        return chdir
