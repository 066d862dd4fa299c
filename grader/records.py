"""The records that the stages hand on: frozen, versioned, with a JSON round trip and a published JSON Schema.

Points of an item are split three ways and always add up: `earned + lost + open == points`. Open points belong to what
could not be judged (an unscored check, a tutor's item); they are shown and never silently become 0 or full points.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

SCHEMA_VERSION: Final = "1"
Scale = Literal["smoke", "full"]
"""Of an experiment or of drawn data: minutes on two cores, or the handout's own."""


class Record(BaseModel):
    """Base of every record: frozen, and closed against unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Status(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    UNSCORED = "unscored"


class Visibility(StrEnum):
    """Who sees an item before grades are published."""

    VISIBLE = "visible"
    HIDDEN = "hidden"


class Isolation(StrEnum):
    """What kept the submission's code away from this machine, strongest first."""

    BUBBLEWRAP = "bubblewrap"
    LANDLOCK = "landlock"
    NONE = "none"


class Note(Record):
    """Something that intake cleaned up or noticed; it costs no points."""

    message: str
    path: str | None = None


Edition = Literal["current", "original"]
"""Which handout a hand-in answers: this repository's, or the one that the course published years ago."""


class Submission(Record):
    """What intake made of a zip or a folder."""

    name: str
    edition: Edition = "current"
    source: str = Field(description="File name of the zip or folder, without its directory.")
    digest: str = Field(description="SHA-256 over the names and contents of the graded files.")
    package: str | None = Field(description="The folder that was graded as `dlvc`, None when there is none.")
    files: tuple[str, ...]
    notes: tuple[Note, ...] = ()
    runs: tuple[str, ...] = Field((), description="Command lines of its experiments that a tutor has named.")


class Finding(Record):
    """Why a check ended as it did, in the words the student reads."""

    message: str
    expected: str | None = None
    found: str | None = None
    where: str | None = None
    example: str | None = Field(None, description="The smallest failing input, ready to be read.")
    traceback: str | None = Field(None, description="The submission's own frames of an exception.")
    likely: str | None = Field(None, description="The known mistake that gives the very output of the submission.")
    hint: str | None = None
    log: str | None = Field(None, description="The end of what the submission printed during the check.")


class Outcome(Record):
    """The end of one check: exactly one for each check of the rubric."""

    check: str
    status: Status
    score: float = Field(ge=0, le=1, description="The share of the points, 1 if passed, partial credit between.")
    finding: Finding
    fault: bool = Field(False, description="Unscored through the grader's own fault.")
    not_started: bool = Field(False, description="Failed since the starter's open task was left as it was.")

    @model_validator(mode="after")
    def _score_fits_status(self) -> Self:
        full, none = self.score == 1, self.score == 0
        fits = {Status.PASSED: full, Status.FAILED: not full, Status.UNSCORED: none}[self.status]
        if not fits:
            raise ValueError(f"{self.check}: status {self.status} does not go with score {self.score}")
        return self


class Points(Record):
    """Points, split into what was earned, what was lost and what nobody has judged yet."""

    earned: float = Field(ge=0)
    lost: float = Field(ge=0)
    open: float = Field(ge=0)

    @property
    def possible(self) -> float:
        """All points of the item."""
        return self.earned + self.lost + self.open

    def __add__(self, other: "Points") -> "Points":
        return Points(earned=self.earned + other.earned, lost=self.lost + other.lost, open=self.open + other.open)


class Item(Record):
    """A line of the gradesheet: a check of the rubric, its outcome and its points."""

    check: str
    part: str
    title: str
    visibility: Visibility
    points: Points
    outcome: Outcome


class TutorItem(Record):
    """An item that a person judges; `points` is what can be given, `bonus` points exceed the regular ones."""

    id: str
    part: str
    title: str
    points: float = Field(gt=0)
    bonus: bool = False
    guidance: str


class PartScore(Record):
    """A part of the assignment and the sum of its automatic items."""

    id: str
    title: str
    points: Points


class Flag(Record):
    """Evidence of tampering for the tutor. It never decides points by itself."""

    kind: str
    check: str | None
    evidence: str


class Series(NamedTuple):
    """One metric of one run: `values[i]` was measured in epoch `steps[i]`; steps strictly increase."""

    steps: tuple[int, ...]
    values: tuple[FiniteFloat, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """The curves of one training. Losses are means over samples, mIoUs lie in 0..1, epochs count from 0."""

    name: str
    train_loss: Series
    train_miou: Series
    val_loss: Series
    val_miou: Series


class Band(Record):
    """What the solution's training gives over several seeds, epoch by epoch: its lowest, median and highest values."""

    seeds: int
    low: Run
    median: Run
    high: Run


class TrainingVerdict(StrEnum):
    """What a smoke training looks like."""

    AS_REFERENCE = "as good as the reference"
    BELOW = "below the reference"
    OVERFITS = "overfits"
    NOT_LEARNING = "not learning"
    DIVERGED = "diverged"
    RATE_FIXED = "learning rate never stepped"
    TRAINING_MODE = "validation ran in training mode"
    SHIFTED = "labels shifted"
    OUT_OF_TIME = "out of time"
    BROKE_OFF = "broke off"


class Sample(Record):
    """An unseen image with its labels and the predicted ones, each the bytes of an image file in Base64."""

    image: str = Field(description="JPEG.")
    truth: str = Field(description="PNG, 8 bits grey: the class of each pixel, counted from 0.")
    predicted: str = Field(description="PNG, as the truth.")
    miou: float = Field(ge=0, le=1, description="Over the classes that occur in the truth.")


class Unseen(Record):
    """The trained weights on images that the training never saw, evaluated by the solution's network."""

    images: int
    miou: float = Field(ge=0, le=1)
    low: float = Field(ge=0, le=1, description="The lowest mIoU of the solution's trainings, and so the next two.")
    median: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)
    classes: tuple[str, ...]
    class_iou: tuple[float, ...]
    median_class_iou: tuple[float, ...] = Field(description="Of the solution's trainings.")
    confusion: tuple[tuple[int, ...], ...] = Field(description="Pixels by true class (rows) and predicted class.")
    samples: tuple[Sample, ...]

    @model_validator(mode="after")
    def _classes_agree(self) -> Self:
        lengths = {len(each) for each in (self.classes, self.class_iou, self.median_class_iou, self.confusion)}
        if lengths | {len(row) for row in self.confusion} != {len(self.classes)}:
            raise ValueError(f"IoUs and confusion matrix are not of {len(self.classes)} classes")
        return self


class ScriptRun(Record):
    """A run of a script that has no interface, made to see what it trains."""

    command: str = Field(description="What a person would type, and what was edited.")
    ended: str
    trainings: tuple[str, ...] = ()


class SmokeTraining(Record):
    """A short training by one of the submission's own scripts, and what was made of it."""

    name: str
    title: str
    command: str = Field(description="What a person would type.")
    epochs: int = Field(gt=0, description="How many were asked for.")
    verdict: TrainingVerdict
    explanation: str
    run: Run | None = Field(None, description="The submission's own history.csv, as far as it came.")
    band: Band
    published: str | None = Field(None, description="The run of data/handout_curves.csv that trains the same, in full.")
    rates: Series | None = Field(None, description="The learning rate of each epoch.")
    unseen: Unseen | None = None


class Environment(Record):
    """What the verdicts were computed with."""

    grader: str
    python: str
    torch: str
    platform: str
    isolation: Isolation
    isolation_detail: str
    device: str
    limits: dict[str, float] = Field(default_factory=dict, description="What each check was allowed to use.")


class Timings(Record):
    """What differs between two runs with the same zip and seed; so does what throughput checks tell."""

    graded_at: str = Field(description="ISO 8601, UTC.")
    total_seconds: float
    stages: dict[str, float]
    checks: dict[str, float]


class Gradesheet(Record):
    """The result of grading one submission: everything that a report shows and a tutor must be able to defend."""

    schema_version: Literal["1"] = SCHEMA_VERSION
    submission: Submission
    seed: int
    complete: bool = Field(description="False when the run was stopped before every check had ended.")
    points: Points
    parts: tuple[PartScore, ...]
    items: tuple[Item, ...]
    tutor_items: tuple[TutorItem, ...]
    flags: tuple[Flag, ...] = ()
    trainings: tuple[SmokeTraining, ...] = ()
    script_runs: tuple[ScriptRun, ...] = Field((), description="Of scripts without an interface, in their order.")
    environment: Environment
    timings: Timings

    @property
    def all_passed(self) -> bool:
        """Every check ran and passed."""
        return all(item.outcome.status is Status.PASSED for item in self.items)

    @property
    def faulty(self) -> bool:
        """At least one check has no verdict through the grader's own fault."""
        return any(item.outcome.fault for item in self.items)
