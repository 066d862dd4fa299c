"""Intake: a zip or folder becomes a clean tree, or is refused in words that say what to do.

The tree has the hand-in's layout whatever the archive looked like (`dlvc/`, `train.py`, `train_segformer.py`,
`report.pdf`), holds nothing but folders and plain files, and is all that the rest of the grader ever sees.
"""

import hashlib
import os
import stat
from pathlib import Path

from grader.errors import UsageError
from grader.intake.aliases import write_aliases
from grader.intake.archive import read_zip
from grader.intake.disk import DiskFolder
from grader.intake.edition import edition_of
from grader.intake.given import supply
from grader.intake.imports import modules_imported
from grader.intake.layout import PACKAGE, arrange
from grader.intake.listing import DEFAULT_CAPS, Caps
from grader.intake.names import escaped, quoted
from grader.intake.sift import Reason, Sifted, sift
from grader.intake.writing import whole_or_nothing, write
from grader.records import Submission

__all__ = ["Caps", "Reason", "brought_data_or_weights", "modules_imported", "take_in"]


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
    with whole_or_nothing(tree):
        write(layout.tree, tree, caps)
        write_aliases(layout, source, tree)
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


def _digest(tree: Path, files: list[str]) -> str:
    """SHA-256 over path, NUL, length (8 bytes, big-endian) and content of every file, sorted by path."""
    digest = hashlib.sha256()
    for name in files:
        content = (tree / name).read_bytes()
        digest.update(name.encode() + b"\0" + len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()
