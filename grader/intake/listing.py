"""What a zip and a folder have in common: names and sizes that are known before a byte of content is read."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from grader.errors import SubmissionRejected

MIB = 1024**2

AGAIN = (
    "Zip the folder that holds dlvc/, train.py, train_segformer.py and report.pdf again with your system's "
    "ordinary zip, without a password, and hand that in."
)


@dataclass(frozen=True)
class Caps:
    """How much of a submission intake is willing to look at, so that none can fill the memory or the disk.

    A hand-in has some twenty files and 200 KB. `entries` leaves room for a data set that was zipped by
    mistake (the pets are 26,000 files), which is then left out unread; everything else bounds what is kept.

    Args:
        entries: names in the zip or folder, whether kept or not.
        directory_bytes: size of a zip's central directory.
        files: files that are kept.
        file_bytes: the real size of one file.
        total_bytes: the real size of all files that are kept.
        ratio: size over packed size from which an oversized file is a bomb; text stays under 50.
        images: pictures from which they are a data set and not the figures of a report.
        array_bytes: size from which an array file is weights or data and not a table of results.
        component_bytes: the longest name of a file or folder, as file systems have it.
        path_bytes: the longest path.
        depth: the deepest nesting of folders.
    """

    entries: int = 50_000
    directory_bytes: int = 16 * MIB
    files: int = 10_000
    file_bytes: int = 64 * MIB
    total_bytes: int = 256 * MIB
    ratio: int = 200
    images: int = 200
    array_bytes: int = MIB
    component_bytes: int = 255
    path_bytes: int = 1024
    depth: int = 32


DEFAULT_CAPS = Caps()


@dataclass(frozen=True)
class File:
    """A file of the hand-in, not read yet.

    Args:
        path: where it lies, clean and with forward slashes.
        size: its size in bytes, as declared.
        packed: what it takes in the zip; `size` in a folder.
        chunks: reads it, piece by piece; raises SubmissionRejected where it is damaged.
        flaw: why it cannot be accepted; counts only if it is kept, since the others are never read.
    """

    path: str
    size: int
    packed: int
    chunks: Callable[[], Generator[bytes, None, None]]
    flaw: SubmissionRejected | None = None


class Folder(Protocol):
    """A folder of the hand-in; one on the disk is listed when first asked, so that pruning saves work."""

    @property
    def path(self) -> str:
        """Where it lies, `` for the top."""

    @property
    def files(self) -> Mapping[str, File]:
        """Its own files by name."""

    @property
    def folders(self) -> Mapping[str, "Folder"]:
        """Its own folders by name."""

    @property
    def skipped(self) -> Sequence[str]:
        """Paths of links and special files, which are not followed."""


def joined(folder: str, name: str) -> str:
    """The path of `name` in `folder`, which is `` at the top."""
    return f"{folder}/{name}" if folder else name


def parent(path: str) -> str:
    """The folder that `path` lies in, `` at the top."""
    return path.rpartition("/")[0]


def basename(path: str) -> str:
    """The last name of `path`."""
    return path.rpartition("/")[2]
