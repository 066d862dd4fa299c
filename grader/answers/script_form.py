"""What a run of a script says: the answer of the probe `scripts_run`, read against its form before anything is judged.

The process that answers also ran the submission, so nothing but the form of an answer can be relied on.
"""

from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, InstanceOf

from grader.answers.fields import EXACT
from grader.sandbox import CallError


def _call_error(value: Any) -> Any:
    """Read an exception as it is read where a call raises it: JSON has lists where the record has tuples."""
    return CallError.model_validate(value) if isinstance(value, dict) else value


class Answer(BaseModel):
    """Base of all that an answer consists of: of exactly this form."""

    model_config = ConfigDict(**EXACT, frozen=True)


class Request(Answer):
    """Somebody asked for trained weights: which, from which file, and the digests of what was served."""

    name: str
    file: str
    digests: dict[str, str]
    by_default: bool
    of: int


class Loader(Answer):
    """A `DataLoader`; its batch size is None where a batch sampler makes the batches."""

    batch_size: int | None
    shuffled: bool
    of: int


class Forward(Answer):
    """A call of the network: whether it was in training mode with gradients or in evaluation mode, and its images.

    Images are told by their shape, the mean of each channel of each one, and whether each is of one colour.
    """

    training: bool
    evaluation: bool
    shape: list[int]
    means: list[list[float]]
    plain: bool
    of: int


class Loss(Answer):
    """A call of a loss: the labels that it was given, and of its images' pixels how many it counted.

    Labels are known by image unless some pixels were taken out before; `counted` are those that are not `ignored`.
    Its mean `value` is None if it raised; `step` says how many steps were taken before.
    """

    function: str
    classes: int
    training: bool
    step: int
    ignored: int
    integral: bool
    labels: list[int]
    by_image: list[list[int]]
    pixels: int
    counted: int
    value: float | None
    of: int


class Optimizer(Answer):
    """An optimizer: its settings at first, and the names of the parameters that it held at the first step."""

    kind: str
    rate: float
    amsgrad: bool
    decay: float
    decoupled: bool
    held: list[str]
    of: int


class Scheduler(Answer):
    """A learning-rate scheduler."""

    kind: str
    gamma: float | None
    of: int


class Step(Answer):
    """A step of an optimizer: its learning rates, and how often each scheduler had stepped."""

    optimizer: int
    rates: Annotated[list[float], Field(min_length=1)]
    epochs: list[int]
    of: int


class Checkpoint(Answer):
    """A weights file: why it cannot be read, or the shape of each tensor and, of the last model, the digest."""

    problem: str | None
    digests: dict[str, str]
    shapes: dict[str, list[int]]


class Training(Answer):
    """A training of a run: what it started with and ended with, by name of the parameter.

    `kind` sums up what it is; `loaded` are the digests in each weights file that was loaded before. One that has not
    `begun` broke off before its first step. `of` in other records is the number of a training, -1 for none.
    """

    network: str
    data: str | None
    epochs: int | None
    trained: dict[str, bool]
    start: dict[str, str]
    final: dict[str, str]
    loaded: dict[str, dict[str, str]]
    begun: bool
    freezing: bool
    kind: str


class SavedFile(Answer):
    """A weights file that was written: where, and the shapes of its tensors."""

    path: str
    shapes: dict[str, list[int]]
    of: int


class Run(Answer):
    """One run of a script, as `grader.probes.scripts.run` describes it."""

    status: int | None
    error: Annotated[CallError | None, BeforeValidator(_call_error)]
    stopped: bool
    options: list[str]
    arguments: dict[str, bool | int | float | str]
    requests: list[Request]
    loaders: list[Loader]
    forwards: list[Forward]
    losses: list[Loss]
    optimizers: list[Optimizer]
    schedulers: list[Scheduler]
    steps: list[Step]
    saved: list[SavedFile]
    trainings: list[Training]
    files: list[str]
    history: list[list[str]] | None
    checkpoints: dict[str, Checkpoint]
    kept_name: str | None
    kept: InstanceOf[np.ndarray] | None

    @property
    def trained(self) -> dict[str, bool]:
        """Whether each parameter had gradients at the first step."""
        return self.trainings[0].trained if self.trainings else {}

    @property
    def start(self) -> dict[str, str]:
        """The digest of each parameter at the first step."""
        return self.trainings[0].start if self.trainings else {}

    @property
    def steps_taken(self) -> int:
        """How many steps the busiest optimizer took."""
        numbers = [step.optimizer for step in self.steps]
        return max(map(numbers.count, set(numbers)), default=0)

    def only(self, number: int) -> "Run":
        """The same run as if it had held one training only."""
        optimizers = [place for place, each in enumerate(self.optimizers) if each.of == number]
        steps = [
            step.model_copy(update={"optimizer": optimizers.index(step.optimizer)})
            for step in self.steps
            if step.of == number and step.optimizer in optimizers
        ]
        own = {
            name: [each for each in getattr(self, name) if each.of == number]
            for name in ("requests", "loaders", "forwards", "losses", "optimizers", "schedulers", "saved")
        }
        return self.model_copy(update={**own, "steps": steps, "trainings": [self.trainings[number]]})

    @property
    def last(self) -> np.ndarray | None:
        """The bytes of the last model, None where only others were saved."""
        return self.kept if "last" in (self.kept_name or "").rpartition("/")[2] else None

    @property
    def ended(self) -> bool:
        """Whether the script came to its own end, and a good one."""
        return self.status == 0 and not self.stopped


class Command(Answer):
    """A command line that the authors have written down: variables of the environment, and arguments."""

    environment: list[str]
    arguments: list[str]


class Choices(Answer):
    """What the author of a script chooses by editing it, as `grader.probes.choices.offered` describes it."""

    values: dict[str, list[str]]
    words: dict[str, list[str]]
    calls: list[str]
    lines: list[Annotated[list[int], Field(min_length=2, max_length=2)]]
    environment: list[str]
    documented: list[Command]


class Option(Answer):
    """An option of a script's parser; one without names is a positional argument."""

    names: list[str]
    dest: str
    choices: list[str]
    switch: bool
    default: str
    required: bool


class Parser(Answer):
    """What a script's parser offers."""

    options: list[Option]
    commands: dict[str, "Parser"]


class Observed(Answer):
    """One run of a script that has no interface, as `grader.probes.behaviour.run` describes it."""

    run: Run
    choices: Choices
    parser: Parser | None
    left: dict[str, InstanceOf[np.ndarray]]


def problem_of(run: Run, _arguments: dict[str, Any]) -> str | None:
    """Say what in a record does not fit together, so that no check has to look."""
    for forward in run.forwards:
        if len(forward.shape) != 4 or len(forward.means) != forward.shape[0] or any(len(m) != 3 for m in forward.means):
            return "images that do not fit their shape"
    tagged = (run.loaders, run.forwards, run.losses, run.optimizers, run.schedulers, run.steps, run.saved, run.requests)
    if any(not -1 <= each.of < max(1, len(run.trainings)) for kind in tagged for each in kind):
        return "a training that is not among them"
    if (run.kept is None) != (run.kept_name is None) or run.kept_name not in {None, *run.checkpoints}:
        return "a file that is not among the saved ones"
    return None


def problem_of_observed(answer: Observed, arguments: dict[str, Any]) -> str | None:
    """The same of a run of a script without an interface."""
    if any(name.startswith("/") or ".." in name.split("/") for name in answer.left):
        return "files outside of the working folder"
    return problem_of(answer.run, arguments)
