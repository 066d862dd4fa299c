"""What the reports ask of a gradesheet: in which state an item is, what comes first, why points are open."""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum

from grader.records import (
    Finding,
    Gradesheet,
    Item,
    SmokeTraining,
    Status,
    TrainingVerdict,
    TutorItem,
    Unseen,
    Visibility,
)
from grader.reports.text import counted
from grader.rubric import Rubric


class State(StrEnum):
    """The end of a check, told finer than `Status`; the value is what a reader sees."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_STARTED = "not started yet"
    UNSCORED = "not judged"
    FAULT = "grader's fault"


def state(item: Item) -> State:
    """In which state an item is."""
    outcome = item.outcome
    if outcome.status is Status.PASSED:
        return State.PASSED
    if outcome.status is Status.UNSCORED:
        return State.FAULT if outcome.fault else State.UNSCORED
    return State.NOT_STARTED if outcome.not_started else State.FAILED


def in_state(items: Iterable[Item], *states: State) -> tuple[Item, ...]:
    """The items in one of the given states, in the order of the handout."""
    return tuple(item for item in items if state(item) in states)


def tally(items: Iterable[Item]) -> dict[State, int]:
    """How many items are in each state that occurs, in the order of `State`."""
    numbers = Counter(state(item) for item in items)
    return {each: numbers[each] for each in State if numbers[each]}


def next_item(sheet: Gradesheet) -> Item | None:
    """What to work on next: the first item of the handout that did not pass and may be shown."""
    todo = in_state(sheet.items, State.FAILED, State.NOT_STARTED)
    return next((item for item in todo if item.visibility is Visibility.VISIBLE), None)


def untouched(sheet: Gradesheet) -> bool:
    """Whether nothing of the starter was written yet, and nothing failed for another reason."""
    return bool(in_state(sheet.items, State.NOT_STARTED)) and not in_state(sheet.items, State.FAILED)


def open_reasons(items: Iterable[Item]) -> dict[str, tuple[Item, ...]]:
    """The items without a verdict, grouped by the reason that their findings give."""
    groups: dict[str, tuple[Item, ...]] = {}
    for item in in_state(items, State.UNSCORED, State.FAULT):
        reason = item.outcome.finding.message
        groups[reason] = (*groups.get(reason, ()), item)
    return groups


def facts(finding: Finding) -> dict[str, str]:
    """The short facts of a finding by their label, in reading order, without those it does not have."""
    labelled = {
        "where": finding.where,
        "expected": finding.expected,
        "found": finding.found,
        "example": finding.example,
        "likely": finding.likely,
        "hint": finding.hint,
    }
    return {label: text for label, text in labelled.items() if text}


def training_state(training: SmokeTraining) -> State:
    """In which state a smoke training is: one that time did not suffice for has shown nothing."""
    verdict = training.verdict
    if verdict is TrainingVerdict.AS_REFERENCE:
        return State.PASSED
    return State.UNSCORED if verdict is TrainingVerdict.OUT_OF_TIME else State.FAILED


def on_unseen(unseen: Unseen) -> str:
    """How the trained weights do on unseen images, beside the reference's."""
    return f"mIoU {unseen.miou:.3f} on {unseen.images:,}; the reference: {unseen.low:.3f} to {unseen.high:.3f}"


def training_facts(training: SmokeTraining) -> dict[str, str]:
    """The numbers of a smoke training by their label, in reading order, without those it does not have."""
    facts, unseen, rates, run = {}, training.unseen, training.rates, training.run
    if unseen is not None:
        facts["unseen images"] = on_unseen(unseen)
        facts["reference"] = f"{counted(training.band.seeds, 'training')}, median {unseen.median:.3f}"
    if run is None:
        facts["epochs"] = f"none of {training.epochs} was recorded"
    else:
        facts["epochs"] = f"{len(run.train_loss.steps)} of {training.epochs}"
    if rates is not None and rates.values:
        facts["learning rate"] = f"{rates.values[0]:.3g} at first, {rates.values[-1]:.3g} at last"
    facts["command"] = training.command
    return facts


def part_titles(sheet: Gradesheet, rubric: Rubric) -> dict[str, str]:
    """The title of every part by its id; parts that only a tutor judges stand in the rubric alone."""
    titles = {part.id: part.title for part in rubric.parts} | {part.id: part.title for part in sheet.parts}
    named = {item.part for item in sheet.items} | {item.part for item in sheet.tutor_items}
    return {part: titles.get(part, part) for part in named | titles.keys()}


def tutor_points(tutor_items: Iterable[TutorItem]) -> tuple[float, float]:
    """The points that a tutor can give: regular ones and bonus ones."""
    regular = sum(item.points for item in tutor_items if not item.bonus)
    return regular, sum(item.points for item in tutor_items if item.bonus)
