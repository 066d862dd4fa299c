"""How far a correct answer may be off: measured, kept as data, and read by the checks by name.

`python -m tests.verdicts tolerances` measures how far correct answers lie apart, and how far planted mistakes lie off,
and writes both to `data/tolerances.json`. What rounding decides is `FACTOR` times the former; what another rule
decides is written beside its check, with that rule, and has its margins measured all the same.
"""

import functools
from typing import Final, Literal, NamedTuple

from pydantic import ValidationError

from grader.errors import GraderFault
from grader.files import DATA
from grader.records import Record

TOLERANCES_FILE: Final = DATA / "tolerances.json"
COMMAND: Final = "python -m tests.verdicts tolerances"
# What was measured comes from few machines, versions and ways to write it. A decimal digit for those that nobody has
# tried (another processor, a GPU, longer sums, a lower precision within), and a factor of 3 for bad luck beyond that.
FACTOR: Final = 30.0
# Where the answers that were measured are equal, or nearly, nobody happened to compute otherwise: the next one may sum
# a few hundred numbers in another order, in float32.
LEAST: Final = 1e-6

Unit = Literal["absolute", "relative"]


class Tolerance(NamedTuple):
    """How far a number may be off: `absolute + relative * the largest expected magnitude`, and why so far.

    `name` is that of the measurements that it comes from; `ruled` if it is only held against them.
    """

    absolute: float
    relative: float
    reason: str
    name: str | None = None
    ruled: bool = False

    def allowed(self, largest: float) -> float:
        """How far a number may be off where the largest expected one is this."""
        return self.absolute + self.relative * largest

    def admits(self, share: float) -> bool:
        """Whether a deviation is allowed, by its share of what is: every comparison of a check ends here."""
        return share <= 1


class Mistake(Record):
    """The planted mistake that comes nearest to a tolerance, the check that it fails by it, and its deviation."""

    name: str
    check: str
    deviation: float


class Margins(Record):
    """What was measured of a tolerance, in its own unit.

    Args:
        unit: of all deviations: absolute, or relative to the largest expected magnitude.
        spread: the largest deviation of correct answers, by where they come from.
        widest: the correct solution with the largest deviation among those that are written otherwise.
        mistake: what has to fail by it, None where no planted mistake does.
        reason: as it stands beside the check.
        rule: the tolerance where something else than rounding decides; the reason says what.
    """

    unit: Unit
    spread: dict[str, float]
    widest: str | None
    mistake: Mistake | None
    reason: str = ""
    rule: float | None = None

    @property
    def largest(self) -> float:
        """The largest deviation of any correct answer."""
        return max(self.spread.values(), default=0.0)

    @property
    def derived(self) -> float:
        """The tolerance that follows from it where rounding decides."""
        return FACTOR * max(self.largest, LEAST)

    @property
    def value(self) -> float:
        """The tolerance."""
        return self.derived if self.rule is None else self.rule


class Measured(Record):
    """The whole file: what was run, where, with which versions, and what came out by the name of the tolerance."""

    command: str
    day: str
    machine: str
    versions: dict[str, str]
    gpu: str
    tolerances: dict[str, Margins]


@functools.cache
def load_tolerances() -> dict[str, Margins]:
    """All measurements, by name.

    Raises:
        GraderFault: there are none that can be read.
    """
    try:
        return Measured.model_validate_json(TOLERANCES_FILE.read_text(encoding="utf-8")).tolerances
    except (OSError, ValidationError) as error:
        raise GraderFault(f"{TOLERANCES_FILE.name} cannot be used: {error}") from error


def tolerance(name: str, unit: Unit, reason: str, rule: float | None = None) -> Tolerance:
    """The tolerance of this name.

    Args:
        name: `<part>.<what>`, as in the data.
        unit: `absolute`, or `relative` to the largest expected magnitude.
        reason: why correct answers differ at all or, with a rule, why so far is right.
        rule: how far, where something else than rounding decides.

    Raises:
        GraderFault: it was never measured, or in another unit.
    """
    margins = load_tolerances().get(name)
    if margins is None or margins.unit != unit:
        raise GraderFault(f"The tolerance {name} was not measured: run `{COMMAND}`.")
    value = margins.derived if rule is None else rule
    absolute, relative = (value, 0.0) if unit == "absolute" else (0.0, value)
    return Tolerance(absolute, relative, reason, name, ruled=rule is not None)
