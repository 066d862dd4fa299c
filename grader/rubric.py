"""The rubric: what is checked, what it is worth and what a student is told, loaded from `rubric.toml`.

A check's id is `<part>.<name>` and belongs to the test function `test_<name>` in `tests/checks/test_<part>.py`, so the
rubric and the suites cannot name things differently.
"""

import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator

from grader.errors import GraderFault, UsageError
from grader.records import Edition, Record, TutorItem, Visibility

RUBRIC_FILE = Path(__file__).with_name("rubric.toml")


class Part(Record):
    """A part of the assignment, as `assignment.md` numbers it.

    `runs` says when its checks do: one after another with those of other parts, `beside` these where there are two
    cores, or `alone` after all others, for what a busy machine would change.
    """

    id: str
    title: str
    runs: Literal["in turn", "beside", "alone"] = "in turn"


class Wording(Record):
    """What a check is called and hints at in an edition that has other words for it."""

    title: str | None = None
    hint: str | None = None


class Check(Record):
    """One automatic check.

    `editions` are those that ask for it: what a handout does not ask, nobody can fail. `worded` has its words in an
    edition whose handout has others than this repository's.

    `requires` names checks that have to pass first: without them this one could only repeat their failure, so it is
    left unscored and costs nothing by itself. `follows` names parts whose mistakes can make this one fail: where one of
    their checks has failed too, nobody can tell whose failure it is, so it is left to the tutor. `settled_by` names a
    check whose passing shows what this one asks, where this one cannot tell by itself.
    """

    id: str = Field(pattern=r"^[a-z0-9_]+\.[a-z0-9_]+$")
    title: str
    points: float = Field(ge=0)
    hint: str
    editions: tuple[Edition, ...] = ("current", "original")
    worded: dict[Edition, Wording] = Field(default_factory=dict)
    requires: tuple[str, ...] = ()
    follows: tuple[str, ...] = ()
    settled_by: str | None = None
    visibility: Visibility = Visibility.VISIBLE

    @property
    def part(self) -> str:
        """The id of the part that the check belongs to."""
        return self.id.partition(".")[0]

    def said_by(self, edition: Edition) -> "Check":
        """The same in the words of an edition."""
        wording = self.worded.get(edition, Wording())
        return self.model_copy(update=wording.model_dump(exclude_none=True))


class Rubric(Record):
    """All parts, checks and tutor's items, in the order of the handout; `not_asked` are checks of other editions."""

    parts: tuple[Part, ...]
    checks: tuple[Check, ...]
    tutor_items: tuple[TutorItem, ...]
    not_asked: frozenset[str] = frozenset()

    @model_validator(mode="after")
    def _names_hold_together(self) -> Self:
        runs = {part.id: part.runs for part in self.parts}
        seen: set[str] = set()
        for check in self.checks:
            if check.part not in runs:
                raise ValueError(f"check {check.id}: there is no part {check.part!r}")
            if check.id in seen:
                raise ValueError(f"check {check.id} stands in the rubric twice")
            if missing := set(check.requires) - seen:
                raise ValueError(f"check {check.id} requires {sorted(missing)}, which do not stand before it")
            later = () if runs[check.part] == "alone" else check.requires
            if strangers := {name for name in later if runs[name.partition(".")[0]] != runs[check.part]}:
                raise ValueError(f"check {check.id} requires {sorted(strangers)}, which run at another time")
            if unknown := set(check.follows) - runs.keys():
                raise ValueError(f"check {check.id} follows unknown parts {sorted(unknown)}")
            seen.add(check.id)
        if stray := {item.part for item in self.tutor_items} - runs.keys():
            raise ValueError(f"tutor's items name unknown parts {sorted(stray)}")
        return self

    def only(self, parts: Collection[str]) -> "Rubric":
        """The same rubric with nothing but some of its parts, by their ids.

        Raises:
            UsageError: a part does not exist, or has no automatic checks.
        """
        judged = {check.part for check in self.checks}
        if unknown := set(parts) - judged:
            choices = ", ".join(part.id for part in self.parts if part.id in judged)
            raise UsageError(f"There are no checks for {', '.join(sorted(unknown))}. Choose from: {choices}.")
        return self.model_copy(
            update={
                "parts": tuple(part for part in self.parts if part.id in parts),
                "checks": tuple(
                    check.model_copy(update={"follows": tuple(part for part in check.follows if part in parts)})
                    for check in self.checks
                    if check.part in parts
                ),
                "tutor_items": (),
            }
        )

    def asked_by(self, edition: Edition) -> "Rubric":
        """The same rubric with nothing but the checks that an edition asks for, in its words."""
        left = tuple(check.said_by(edition) for check in self.checks if edition in check.editions)
        known = {check.id for check in left}
        return self.model_copy(
            update={
                "checks": tuple(
                    check.model_copy(update={"requires": tuple(name for name in check.requires if name in known)})
                    for check in left
                ),
                "not_asked": self.not_asked | {check.id for check in self.checks if check.id not in known},
            }
        )

    def running(self, *when: str) -> "Rubric":
        """The same rubric with nothing but the checks that run then."""
        parts = {part.id for part in self.parts if part.runs in when}
        return self.model_copy(update={"checks": tuple(check for check in self.checks if check.part in parts)})


def load_rubric(path: Path = RUBRIC_FILE) -> Rubric:
    """Read and validate a rubric.

    Raises:
        GraderFault: the file is missing, no TOML, or contradicts itself; the message says where.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        return Rubric(parts=raw["part"], checks=raw["check"], tutor_items=raw.get("tutor", ()))
    except (OSError, tomllib.TOMLDecodeError, KeyError, ValidationError) as error:
        raise GraderFault(f"The rubric {path.name} cannot be used: {error}") from error
