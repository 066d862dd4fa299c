"""What runs of checks have shown, and what follows from it once all of them are known."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from grader.checking import Call
from grader.records import Flag, Outcome, SmokeTraining, Status
from grader.rubric import Check, Rubric


@dataclass
class Evidence:
    """What a run of checks has shown.

    Args:
        outcomes: of each check by itself, by its id, as are the next four.
        seconds: how long it took.
        calls: what the submission was asked and answered in a check that it failed.
        alarms: what looked like tampering, as (kind, evidence).
        contradictions: what looks invented in what failed, in a sentence for the tutor.
        own: failed checks that cannot follow from a mistake in another part.
        trainings: the smoke trainings that were judged.
        finished: no check is missing.
    """

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    calls: dict[str, list[Call]] = field(default_factory=dict)
    alarms: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    contradictions: dict[str, str] = field(default_factory=dict)
    own: set[str] = field(default_factory=set)
    trainings: list[SmokeTraining] = field(default_factory=list)
    finished: bool = True

    def add(self, other: "Evidence") -> None:
        """Take in what a run of other checks has shown."""
        self.outcomes |= other.outcomes
        self.seconds |= other.seconds
        self.calls |= other.calls
        self.alarms |= other.alarms
        self.contradictions |= other.contradictions
        self.own |= other.own
        self.trainings += other.trainings
        self.finished &= other.finished


def conclude(rubric: Rubric, evidence: Evidence) -> tuple[dict[str, Outcome], tuple[Flag, ...]]:
    """Outcomes in the light of each other, and what a tutor should look at.

    A failure that may only be the consequence of one in another part is left open. Each evidence is told once, with
    the first check that showed it.
    """
    outcomes: dict[str, Outcome] = {}
    flags: dict[tuple[str, str], Flag] = {}
    for check in rubric.checks:
        if check.id not in evidence.outcomes:
            continue
        cause = None if check.id in evidence.own else _cause(check, rubric, outcomes)
        outcome = outcomes[check.id] = _left_open(evidence.outcomes[check.id], cause)
        alarms = sorted(evidence.alarms.get(check.id, ()))
        if outcome.status is Status.FAILED and check.id in evidence.contradictions:
            alarms.append(("contradiction", evidence.contradictions[check.id]))
        for kind, shown in alarms:
            flags.setdefault((kind, shown), Flag(kind=kind, check=check.id, evidence=shown))
    return outcomes, tuple(flags.values())


def _cause(check: Check, rubric: Rubric, outcomes: Mapping[str, Outcome]) -> Check | None:
    """The first failed check of a part whose mistakes can make this one fail."""
    for earlier in rubric.checks:
        outcome = outcomes.get(earlier.id)
        if outcome and earlier.part in check.follows and outcome.status is Status.FAILED and not outcome.not_started:
            return earlier
    return None


def _left_open(outcome: Outcome, cause: Check | None) -> Outcome:
    """Take a failure back if there is a cause for it elsewhere; it keeps what was found."""
    if cause is None or outcome.status is not Status.FAILED or outcome.not_started:
        return outcome
    message = f"Left open, since it may only follow from “{cause.title}”. {outcome.finding.message}"
    finding = outcome.finding.model_copy(update={"message": message})
    return Outcome(check=outcome.check, status=Status.UNSCORED, score=0, finding=finding)
