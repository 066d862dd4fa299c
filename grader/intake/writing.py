"""Writes the files of a hand-in into a clean tree: whole or not at all, and never more than is allowed."""

import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO

from grader.errors import GraderFault, SubmissionRejected
from grader.intake.listing import AGAIN, Caps, File
from grader.intake.names import quoted

# A worker under another user id must be able to read the tree.
FOLDER_MODE, FILE_MODE = 0o755, 0o644


@contextmanager
def whole_or_nothing(tree: Path) -> Iterator[None]:
    """Make the tree's folder; whatever goes wrong until the end, nothing of it is left.

    Raises:
        GraderFault: it cannot be written.
    """
    try:
        tree.mkdir(parents=True)
    except OSError as error:
        raise GraderFault(f"The folder {quoted(str(tree))} cannot be made: {error.strerror}.") from error
    try:
        tree.chmod(FOLDER_MODE)
        yield
    except OSError as error:
        shutil.rmtree(tree, ignore_errors=True)
        raise GraderFault(f"The folder {quoted(str(tree))} cannot be written: {error.strerror}.") from error
    except BaseException:
        shutil.rmtree(tree, ignore_errors=True)
        raise


def write(plan: dict[str, File], tree: Path, caps: Caps) -> None:
    """Write each file to its place in the tree.

    Raises:
        SubmissionRejected: two names are one to this file system, or the files unpack to more than is allowed.
    """
    left = caps.total_bytes
    for target, file in plan.items():
        path = tree / target
        try:
            make_folders(path.parent, tree)
            stream = path.open("xb")
        except FileExistsError as error:
            problem = f"The name {quoted(file.path)} clashes with another, perhaps only by upper and lower case."
            raise SubmissionRejected(problem, "Rename one of them and zip again.") from error
        with stream:
            left -= _pour(file, stream, min(left, caps.file_bytes))


def make_folders(folder: Path, tree: Path) -> None:
    """Make a folder below the tree, and those above it, that a worker under another user id can read."""
    if folder != tree and not folder.is_dir():
        make_folders(folder.parent, tree)
        folder.mkdir()
        folder.chmod(FOLDER_MODE)


def _pour(file: File, stream: BinaryIO, most: int) -> int:
    """Write what really comes out of a file, and return how many bytes that was."""
    os.fchmod(stream.fileno(), FILE_MODE)
    count = 0
    with closing(file.chunks()) as chunks:
        for chunk in chunks:
            count += len(chunk)
            if count > most:
                problem = f"The hand-in unpacks to too much: {quoted(file.path)} goes over the size limit."
                raise SubmissionRejected(problem, "Leave out what is neither code nor report. " + AGAIN)
            stream.write(chunk)
    return count
