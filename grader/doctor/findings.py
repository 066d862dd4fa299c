"""What the doctor finds, as records: the terminal and `--json` show the same."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from grader.records import Isolation, Record


class Verdict(StrEnum):
    """Whose submissions can be graded on this host."""

    STRANGERS = "strangers"
    WEAKER = "weaker"
    OWN_ONLY = "own only"


class Proof(Record):
    """A promise of the sandbox, and what came of trying to break it."""

    promise: str
    enforced_by: str
    holds: bool
    seen: str
    advice: str | None = Field(None, description="What to do, where the promise does not hold.")


class Tier(Record):
    """A kind of isolation on this host."""

    isolation: Isolation
    problem: str | None = Field(description="Why it does not work; None where it does.")
    advice: tuple[str, ...] = Field((), description="What to do so that it works.")
    proofs: tuple[Proof, ...] = Field((), description="Empty where it was not tried.")


class Fact(Record):
    """Something about this host."""

    name: str
    value: str
    warning: str | None = None


class Diagnosis(Record):
    """All that the doctor says of a host."""

    doctor_version: Literal["1"] = "1"
    chosen: Isolation | None = Field(description="What a stranger's submission would run under, None for nothing.")
    tiers: tuple[Tier, ...]
    facts: tuple[Fact, ...]
    verdict: Verdict


def verdict(chosen: Isolation | None, tiers: tuple[Tier, ...]) -> Verdict:
    """Strangers only where a tier works and nothing that was tried broke a promise."""
    tried = [tier for tier in tiers if tier.proofs]
    if not any(tier.isolation is chosen for tier in tried):
        return Verdict.OWN_ONLY
    return Verdict.STRANGERS if all(proof.holds for tier in tried for proof in tier.proofs) else Verdict.WEAKER
