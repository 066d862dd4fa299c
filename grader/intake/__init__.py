"""Intake: a zip or folder becomes a clean tree, or is refused in words that say what to do.

The tree has the hand-in's layout whatever the archive looked like (`dlvc/`, `train.py`, `train_segformer.py`,
`report.pdf`), holds nothing but folders and plain files, and is all that the rest of the grader ever sees.
"""

import hashlib
import keyword
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO

from grader.errors import GraderFault, SubmissionRejected, UsageError
from grader.intake.archive import read_zip
from grader.intake.disk import DiskFolder
from grader.intake.edition import edition_of
from grader.intake.given import supply
from grader.intake.imports import modules_imported, names_imported
from grader.intake.layout import PACKAGE, Layout, arrange
from grader.intake.listing import AGAIN, DEFAULT_CAPS, Caps, File, basename
from grader.intake.names import escaped, quoted
from grader.intake.sift import Reason, Sifted, sift
from grader.records import Submission

__all__ = ["Caps", "Reason", "brought_data_or_weights", "modules_imported", "take_in"]

# A worker under another user id must be able to read the tree.
FOLDER_MODE, FILE_MODE = 0o755, 0o644


def take_in(source: Path, tree: Path, caps: Caps = DEFAULT_CAPS) -> Submission:
    """Make a clean tree of a hand-in.

    Args:
        source: a zip or a folder.
        tree: where to put it; must not exist yet, and does not exist after a refusal.
        caps: how much is accepted.

    Raises:
        SubmissionRejected: the hand-in cannot be graded as it is.
        UsageError: `source` is not there or cannot be read.
        GraderFault: the tree cannot be written.
    """
    sifted = _sifted(source, caps)
    layout = arrange(sifted)
    with _whole_or_nothing(tree):
        _write(layout.tree, tree, caps)
        _write_aliases(layout, source, tree)
        files = sorted(path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file())
        digest = _digest(tree, files)
        edition, evidence = edition_of(tree)
        if edition == "original":
            layout.note(f"Graded by the published handout of earlier years: {', '.join(evidence)}.", "")
        for given in supply(tree):
            layout.note("Given to everybody and not handed in: the grader put its own there.", f"{PACKAGE}/{given}")
    name = Path(os.path.abspath(source)).name  # noqa: PTH100 - a link keeps the name it was given by
    return Submission(
        name=escaped(name if source.is_dir() else Path(name).stem),
        source=escaped(name),
        digest=digest,
        edition=edition,
        package=escaped(layout.package) or ".",
        files=tuple(files),
        notes=(*layout.notes, *sifted.notes()),
    )


def brought_data_or_weights(submission: Submission) -> list[str]:
    """What intake left out of a hand-in as data sets or weights, one line each; empty when there was none."""
    unwanted = (Reason.DATA.value, Reason.WEIGHTS.value)
    return [f"{note.path}: {note.message}" for note in submission.notes if note.message.startswith(unwanted)]


def _sifted(source: Path, caps: Caps) -> Sifted:
    try:
        mode = source.stat().st_mode
    except OSError as error:
        raise UsageError(f"{quoted(str(source))} cannot be read: {error.strerror}.") from error
    if stat.S_ISDIR(mode):
        return sift(DiskFolder(source, caps), caps)
    if not stat.S_ISREG(mode):
        raise UsageError(f"{quoted(str(source))} is neither a zip nor a folder.")
    top, converted = read_zip(source, caps)
    sifted = sift(top, caps)
    for path in converted:
        sifted.leave_out(Reason.SEPARATOR, path)
    return sifted


@contextmanager
def _whole_or_nothing(tree: Path) -> Iterator[None]:
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


def _write(plan: dict[str, File], tree: Path, caps: Caps) -> None:
    left = caps.total_bytes
    for target, file in plan.items():
        path = tree / target
        try:
            _make_folders(path.parent, tree)
            stream = path.open("xb")
        except FileExistsError as error:
            problem = f"The name {quoted(file.path)} clashes with another, perhaps only by upper and lower case."
            raise SubmissionRejected(problem, "Rename one of them and zip again.") from error
        with stream:
            left -= _pour(file, stream, min(left, caps.file_bytes))


def _make_folders(folder: Path, tree: Path) -> None:
    if folder != tree and not folder.is_dir():
        _make_folders(folder.parent, tree)
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


def _write_aliases(layout: Layout, source: Path, tree: Path) -> None:
    """Let code go on importing the package, or the folders that held it, by the names they had."""
    imported = names_imported(tree)
    holder = basename(layout.root) or (source.name if source.is_dir() else "")
    aliases: dict[str, list[tuple[str, str]]] = {}
    names = [(basename(layout.package), PACKAGE), (holder, "")]
    for old, new in [*names, *((old, PACKAGE) for old in _repository_names(layout, holder, tree, imported))]:
        inside = {path.name.partition(".")[0] for path in (tree / new).iterdir()}
        usable = all(word.isidentifier() and not keyword.iskeyword(word) for word in old.split("."))
        top = old.partition(".")[0]
        taken = (tree / top).exists() or (tree / f"{top}.py").exists()
        if usable and not taken and any(f"{old}.{name}" in imported for name in inside):
            aliases.setdefault(top, []).append((old, new))
    code = Path(__file__).with_name("alias.py").read_text(encoding="utf-8")
    for top, olds in aliases.items():
        _make_folders(tree / top, tree)
        path = tree / top / "__init__.py"
        path.write_text(f"{code}\n\n" + "".join(f"install({old!r}, {new!r})\n" for old, new in olds), encoding="utf-8")
        path.chmod(FILE_MODE)
        for old, _ in olds:
            layout.note(f"Imports of {quoted(old)} were made to lead to the graded modules.", layout.package)


def _repository_names(layout: Layout, holder: str, tree: Path, imported: set[str]) -> list[str]:
    """The package by its path in the author's repository, such as `assignments.assignment_2.dlvc`."""
    inside = {path.name.partition(".")[0] for path in (tree / PACKAGE).iterdir()}
    found = set()
    for name in imported:
        words = name.split(".")
        for place in range(1, len(words) - 1):
            called = words[place] in (PACKAGE, basename(layout.package)) and words[place + 1] in inside
            if called and words[0] != holder:
                found.add(".".join(words[: place + 1]))
    return sorted(found)


def _digest(tree: Path, files: list[str]) -> str:
    """SHA-256 over path, NUL, length (8 bytes, big-endian) and content of every file, sorted by path."""
    digest = hashlib.sha256()
    for name in files:
        content = (tree / name).read_bytes()
        digest.update(name.encode() + b"\0" + len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()
