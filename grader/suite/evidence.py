"""What runs of checks have shown, and what follows from it once all of them are known."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from grader.checking import Call
from grader.checking.experiments import Way
from grader.records import Finding, Flag, Outcome, ScriptRun, SmokeTraining, Status
from grader.rubric import Check, Rubric

# Where each part of the assignment is written.
FILES = {"metrics": "dlvc/metrics", "trainer": "dlvc/trainer", "segformer": "dlvc/models/"}


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
        script_runs: the runs of scripts without an interface.
        ways: by network, how such a script trains it from scratch.
        finished: no check is missing.
    """

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    calls: dict[str, list[Call]] = field(default_factory=dict)
    alarms: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    contradictions: dict[str, str] = field(default_factory=dict)
    own: set[str] = field(default_factory=set)
    trainings: list[SmokeTraining] = field(default_factory=list)
    script_runs: list[ScriptRun] = field(default_factory=list)
    ways: dict[str, Way] = field(default_factory=dict)
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
        self.script_runs += other.script_runs
        self.ways |= other.ways
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
        found = evidence.outcomes[check.id]
        cause = None if check.id in evidence.own else _cause(check, found.finding, rubric, outcomes)
        outcome = outcomes[check.id] = _settled(_left_open(found, cause), evidence.outcomes.get(check.settled_by or ""))
        alarms = sorted(evidence.alarms.get(check.id, ()))
        if outcome.status is Status.FAILED and check.id in evidence.contradictions:
            alarms.append(("contradiction", evidence.contradictions[check.id]))
        for kind, shown in alarms:
            flags.setdefault((kind, shown), Flag(kind=kind, check=check.id, evidence=shown))
    return outcomes, tuple(flags.values())


def _settled(outcome: Outcome, by: Outcome | None) -> Outcome:
    """What nobody can tell by one check alone, where another one has shown it."""
    if outcome.status is not Status.UNSCORED or outcome.fault or by is None or by.status is not Status.PASSED:
        return outcome
    finding = Finding(message=f"As it should be: what “{by.check}” saw shows it.")
    return Outcome(check=outcome.check, status=Status.PASSED, score=1, finding=finding)


def _cause(check: Check, found: Finding, rubric: Rubric, outcomes: Mapping[str, Outcome]) -> Check | None:
    """The failed check of another part that this failure follows from.

    An exception that was raised in another part's file follows from a failure of that part, one in the same line if
    there is one. One that a script raised itself follows from failures of its kind alone, and whatever else failed from
    the first failure of a part that the rubric names.
    """
    failed = [
        earlier
        for earlier in rubric.checks
        if (outcome := outcomes.get(earlier.id)) and outcome.status is Status.FAILED and not outcome.not_started
    ]
    place = (found.where or "").rpartition(":")[0]
    there = [each for each in failed if each.part != check.part and each.part == _part_of(place)]
    if there:
        return next((each for each in there if outcomes[each.id].finding.where == found.where), there[0])
    named = [each for each in failed if each.part in check.follows]
    if found.traceback and place and _part_of(place) is None:
        kind = found.message.partition(" ")[0]
        named = [each for each in named if outcomes[each.id].finding.message.startswith(kind)]
    return named[0] if named else None


def _part_of(path: str) -> str | None:
    """The part of the assignment that a file of the hand-in belongs to, None for a script."""
    return next((part for part, files in FILES.items() if path.startswith(files)), None)


def _left_open(outcome: Outcome, cause: Check | None) -> Outcome:
    """Take a failure back if there is a cause for it elsewhere; it keeps what was found."""
    if cause is None or outcome.status is not Status.FAILED or outcome.not_started:
        return outcome
    message = f"Left open, since it may only follow from “{cause.title}”. {outcome.finding.message}"
    finding = outcome.finding.model_copy(update={"message": message})
    return Outcome(check=outcome.check, status=Status.UNSCORED, score=0, finding=finding)
