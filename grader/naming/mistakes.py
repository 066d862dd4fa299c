"""The known mistakes: a patch over the solution each, what it does in words, and the checks that it fails."""

import tomllib
from pathlib import Path
from typing import Any

from pydantic import Field, TypeAdapter, ValidationError

from grader.errors import GraderFault
from grader.files import MISTAKES
from grader.records import Record


class PatchRefused(Exception):  # noqa: N818 - named for what happened
    """A patch cannot be read, does not fit the solution, or changes nothing."""


class Mistake(Record):
    """A known mistake.

    Args:
        name: of its patch.
        what: completes the sentence "This is what comes out when ...".
        fails: ids of the checks that it fails.
        hint: says more than the hint of the check that failed.
    """

    name: str
    what: str = Field(min_length=1)
    fails: tuple[str, ...] = Field(min_length=1)
    hint: str | None = Field(None, min_length=1)

    @property
    def sentence(self) -> str:
        """What a student is told."""
        return f"This is what comes out when {self.what}."


def load_mistakes(folder: Path = MISTAKES) -> tuple[Mistake, ...]:
    """All known mistakes, in the order in which `expected.toml` in a folder lists them by name.

    Raises:
        GraderFault: the file is missing, no TOML, or has entries of another form; the message names them.
    """
    try:
        listed = tomllib.loads((folder / "expected.toml").read_text(encoding="utf-8"))
        entries = TypeAdapter(dict[str, dict[str, Any]]).validate_python(listed, strict=True)
        named = [{"name": name, **entry} for name, entry in entries.items()]
        return TypeAdapter(tuple[Mistake, ...]).validate_python(named)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise GraderFault(f"The known mistakes cannot be read: {error}") from error
    except ValidationError as error:
        names = list(listed)
        wrong = "; ".join(f"{_place(one['loc'], names)}: {one['msg']}" for one in error.errors())
        raise GraderFault(f"The known mistakes have entries of another form: {wrong}") from error


def _place(steps: tuple[int | str, ...], names: list[str]) -> str:
    return ".".join(names[step] if isinstance(step, int) else step for step in steps)


def apply_patch(patch: Path, folder: Path) -> list[str]:
    """Apply a unified diff with the prefixes `a/` and `b/` to the files in `folder`.

    Returns:
        The files that it changed.

    Raises:
        PatchRefused: not every part of it could be applied; the library's log says which, line by line.
    """
    import patch_ng  # which imports what speaks to the network: nothing that each start should wait for

    parsed = patch_ng.fromfile(patch)
    if not parsed:
        raise PatchRefused(f"{patch.name} is no patch that can be read")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    applied = parsed.apply(strip=1, root=folder)
    changed = [path for path, content in before.items() if path.read_bytes() != content]
    # A patch whose changes are there already counts as applied for the library.
    if not applied or len(changed) != len(parsed.items):
        raise PatchRefused(f"{patch.name} does not fit the files that it is to change")
    return [path.relative_to(folder).as_posix() for path in changed]
