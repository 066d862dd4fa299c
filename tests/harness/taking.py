"""Take in hand-ins and tell what became of them."""

import stat
from collections.abc import Mapping
from pathlib import Path

from grader.intake import Caps, take_in
from grader.records import Submission
from tests.harness.packing import HANDIN, pack

FILES = tuple(sorted(HANDIN))


def taken(tmp_path: Path, files: Mapping[str, bytes], caps: Caps | None = None) -> Submission:
    """Take in a zip of these files; the tree is at `tmp_path / "tree"`."""
    source = pack(tmp_path / "group_7.zip", files, wrapper=None)
    return take_in(source, tmp_path / "tree", caps or Caps())


def messages(submission: Submission) -> str:
    """All notes, one a line."""
    return "\n".join(f"{note.path}: {note.message}" for note in submission.notes)


def assert_harmless(tree: Path, submission: Submission) -> None:
    """The tree holds nothing but readable folders and plain files, and the record lists each of them."""
    found = []
    for path in (tree, *tree.rglob("*")):
        mode = path.lstat().st_mode
        assert stat.S_ISDIR(mode) or stat.S_ISREG(mode), path
        assert stat.S_IMODE(mode) == (0o755 if stat.S_ISDIR(mode) else 0o644), path
        found += [path.relative_to(tree).as_posix()] if stat.S_ISREG(mode) else []
    assert submission.files == tuple(sorted(found))


def assert_showable(*texts: str) -> None:
    """No text can do anything to a terminal or a page."""
    assert all(text and text.isprintable() for text in texts), texts
