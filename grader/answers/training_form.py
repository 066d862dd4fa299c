"""The form of a training that was watched: what the probe `trainer_run` answers, event by event."""

from typing import Annotated, Any, Literal

from pydantic import Field, with_config
from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

from grader.answers.fields import EXACT, Arrays

Pair = Annotated[list[float], Field(min_length=2, max_length=2)]
Shapes = Annotated[list[list[int] | str], Field(min_length=2, max_length=2)]
Map = Annotated[list[Annotated[list[int], Field(min_length=1)]], Field(min_length=1)]


@with_config(EXACT)
class Forward(TypedDict):
    """A batch passes the network."""

    what: Literal["forward"]
    phase: int
    samples: Annotated[list[int], Field(min_length=1)]
    training: bool
    gradients: bool
    predicted: list[Map]


@with_config(EXACT)
class Loss(TypedDict):
    """The loss is asked for."""

    what: Literal["loss"]
    phase: int
    value: float
    size: int
    samples: list[int]
    labels: list[Map]
    shapes: Shapes


@with_config(EXACT)
class Reset(TypedDict):
    """A metric is reset."""

    what: Literal["reset"]
    phase: int
    metric: Literal["train", "val"]


@with_config(EXACT)
class Update(TypedDict):
    """A metric is updated."""

    what: Literal["update"]
    phase: int
    metric: Literal["train", "val"]
    labels: list[Map]
    predicted: list[Any]
    shapes: Shapes


@with_config(EXACT)
class Step(TypedDict):
    """The optimizer takes a step, with gradients of these samples."""

    what: Literal["step"]
    phase: int
    lr: float
    samples: list[int]


@with_config(EXACT)
class Scheduler(TypedDict):
    """The scheduler takes a step."""

    what: Literal["scheduler"]
    phase: int


@with_config(EXACT)
class Notes(TypedDict):
    """An epoch of training or validation, and what its method returned."""

    kind: Literal["train", "val"]
    returned: Pair | None
    kind_returned: str | None
    metric: float | None
    passes: int | None


@with_config(EXACT)
class Training(TypedDict):
    """A whole training."""

    events: list[Annotated[Forward | Loss | Reset | Update | Step | Scheduler, Field(discriminator="what")]]
    phases: list[Notes]
    final: Arrays
    files: list[str]
    best: Arrays | None
    last: Arrays | None


@with_config(EXACT)
class Labels(TypedDict):
    """The labels that reached the loss of a script, and how it ended if not well."""

    labels: list[int]
    problem: str | None


def problem_of(training: Any, arguments: dict[str, Any]) -> str | None:
    """Say what in a training does not fit together, so that no check has to look."""
    known = sum(len(masks) for masks in arguments["masks"].values())
    for event in training["events"]:
        if not -1 <= event["phase"] < len(training["phases"]):
            return "an event of no phase"
        if not all(0 <= sample < known for sample in event.get("samples", ())):
            return "a sample that does not exist"
        of = {"forward": "samples", "update": "labels"}.get(event["what"])
        if of is not None and len(event["predicted"]) != len(event[of]):
            return "not one prediction for each sample"
        if any(len(row) != len(one[0]) for one in event.get("labels", ()) for row in one):
            return "a map whose rows are of unequal length"
    final = training["final"]
    states = [state for state in (final, training["best"], training["last"]) if state is not None]
    if any(state.keys() != final.keys() or "passes" not in state or state["passes"].size != 1 for state in states):
        return "the state of another network"
    return None
