"""Outcomes and rubric to points: pure arithmetic, no judgement of its own."""

from collections.abc import Mapping

from grader.errors import GraderFault
from grader.records import Item, Outcome, PartScore, Points, Status
from grader.rubric import Check, Rubric

NO_POINTS = Points(earned=0, lost=0, open=0)


def score(rubric: Rubric, outcomes: Mapping[str, Outcome]) -> tuple[tuple[Item, ...], tuple[PartScore, ...]]:
    """Give every check of the rubric its points, and every part its sum.

    Args:
        rubric: the checks and what they are worth.
        outcomes: exactly one outcome for each check, by its id.

    Raises:
        GraderFault: a check has no outcome, or an outcome has no check.
    """
    expected = {check.id for check in rubric.checks}
    if expected != outcomes.keys():
        missing, unknown = sorted(expected - outcomes.keys()), sorted(outcomes.keys() - expected)
        raise GraderFault(f"Outcomes do not match the rubric: missing {missing}, unknown {unknown}.")
    items = tuple(_item(check, outcomes[check.id]) for check in rubric.checks)
    parts = tuple(
        PartScore(
            id=part.id,
            title=part.title,
            points=total(tuple(item for item in items if item.part == part.id)),
        )
        for part in rubric.parts
        if any(item.part == part.id for item in items)
    )
    return items, parts


def total(items: tuple[Item, ...]) -> Points:
    """The sum over items."""
    return sum((item.points for item in items), start=NO_POINTS)


def _item(check: Check, outcome: Outcome) -> Item:
    earned = check.points * outcome.score
    rest = check.points - earned
    unscored = outcome.status is Status.UNSCORED
    return Item(
        check=check.id,
        part=check.part,
        title=check.title,
        visibility=check.visibility,
        points=Points(earned=earned, lost=0 if unscored else rest, open=rest if unscored else 0),
        outcome=outcome,
    )
