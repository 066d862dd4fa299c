"""The list of mutants that are no mistakes, since no rule of `assignment.md` tells them from the solution."""

import re
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.verdicts.mutating import Mutant

LIST = Path(__file__).parent / "equivalent.toml"


class Equivalent(NamedTuple):
    """Mutants that are equivalent for one reason; lines are written as in the file, but without indentation.

    Args:
        file: the path in the solution.
        region: the title of the region, without its part.
        reason: why they are no mistakes, in one sentence.
        before: the line that is changed, or, with `pattern`, nothing.
        after: what it is changed to, one entry a mutant.
        pattern: what the line matches before and after, as a whole; what it leaves open does not matter.
    """

    file: str
    region: str
    reason: str
    before: str = ""
    after: tuple[str, ...] = ()
    pattern: str = ""

    def matches(self, mutant: Mutant) -> bool:
        """Whether it lists a mutant."""
        if (self.file, self.region) != (mutant.file, mutant.region):
            return False
        if self.pattern:
            return all(re.fullmatch(self.pattern, line) for line in (mutant.before, mutant.after))
        return self.before == mutant.before and mutant.after in self.after


def read_equivalents(path: Path = LIST) -> list[Equivalent]:
    """All entries of the list.

    Raises:
        ValueError: an entry names its mutants in no way or in both, or gives no reason.
    """
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["equivalent"]
    found = [Equivalent(**{**entry, "after": tuple(entry.get("after", ()))}) for entry in entries]
    for one in found:
        if bool(one.pattern) == bool(one.before and one.after) or not one.reason:
            raise ValueError(f"give a reason, and either a pattern or before and after: {one}")
    return found


def stale(entries: Iterable[Equivalent], mutants: Sequence[Mutant]) -> list[str]:
    """Say what the list names and nobody makes any more."""
    lines = []
    for entry in entries:
        found = [mutant for mutant in mutants if entry.matches(mutant)]
        missing = set(entry.after) - {mutant.after for mutant in found}
        if not found or missing:
            what = entry.pattern or f"{entry.before} -> {' | '.join(sorted(missing))}"
            lines.append(f"{entry.file}, {entry.region}: no mutant is {what}")
    return lines
