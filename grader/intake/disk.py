"""A folder on the disk, listed lazily, so that what is left out costs nothing; links are never followed."""

import os
import stat
from collections.abc import Callable, Generator
from functools import cached_property
from itertools import count
from pathlib import Path

from grader.errors import SubmissionRejected, UsageError
from grader.intake.listing import Caps, File, joined
from grader.intake.names import clean_path, quoted

CHUNK = 1024 * 1024


class DiskFolder:
    """A folder of the hand-in; see `Folder` in listing. Raises UsageError where it is not readable."""

    def __init__(self, source: Path, caps: Caps, path: str = "", seen: Callable[[], int] | None = None) -> None:
        self.path = path
        self._source = source
        self._caps = caps
        self._seen = seen or count(1).__next__

    @cached_property
    def files(self) -> dict[str, File]:
        """Its own files by name."""
        found = {}
        for entry in self._entries:
            if entry.is_file(follow_symlinks=False):
                path, flaw = self._path(entry)
                size = _size(entry)
                found[entry.name] = File(path, size, size, _Content(Path(entry.path)), flaw)
        return found

    @cached_property
    def folders(self) -> dict[str, "DiskFolder"]:
        """Its own folders by name."""
        inside = (entry for entry in self._entries if entry.is_dir(follow_symlinks=False))
        return {
            entry.name: DiskFolder(Path(entry.path), self._caps, joined(self.path, entry.name), self._seen)
            for entry in inside
        }

    @cached_property
    def skipped(self) -> tuple[str, ...]:
        """Paths of links and special files."""
        plain = {*self.files, *self.folders}
        return tuple(joined(self.path, entry.name) for entry in self._entries if entry.name not in plain)

    @cached_property
    def _entries(self) -> list[os.DirEntry[str]]:
        found: list[os.DirEntry[str]] = []
        try:
            with os.scandir(self._source) as listing:
                for entry in listing:
                    if self._seen() > self._caps.entries:
                        problem = f"The folder has more than {self._caps.entries:,} entries."
                        raise SubmissionRejected(problem, "Hand in the code and the report only.")
                    found.append(entry)
        except OSError as error:
            raise _unreadable(self._source, error) from error
        return sorted(found, key=lambda entry: entry.name)

    def _path(self, entry: os.DirEntry[str]) -> tuple[str, SubmissionRejected | None]:
        raw = joined(self.path, entry.name)
        try:
            clean = clean_path(raw, self._caps)
        except SubmissionRejected as error:
            return raw, error
        if "\\" in raw:
            advice = "Unpack the zip with a tool that reads Windows zips, or give the zip itself."
            return raw, SubmissionRejected(f"The name {quoted(raw)} contains a backslash.", advice)
        return clean, None


class _Content:
    """Reads one file on each call, piece by piece."""

    def __init__(self, source: Path) -> None:
        self._source = source

    def __call__(self) -> Generator[bytes, None, None]:
        try:
            # The file may have been replaced by a link or a pipe since it was listed.
            handle = os.open(self._source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(handle, "rb") as stream:
                if not stat.S_ISREG(os.fstat(handle).st_mode):
                    raise UsageError(f"{quoted(str(self._source))} is no longer a file.")
                while piece := stream.read(CHUNK):
                    yield piece
        except OSError as error:
            raise _unreadable(self._source, error) from error


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except OSError as error:
        raise _unreadable(Path(entry.path), error) from error


def _unreadable(path: Path, error: OSError) -> UsageError:
    return UsageError(f"{quoted(str(path))} cannot be read: {error.strerror}.")
