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


class Loader(Answer):
    """A `DataLoader`; its batch size is None where a batch sampler makes the batches."""

    batch_size: int | None
    shuffled: bool


class Forward(Answer):
    """A call of the network: whether it was in training mode with gradients or in evaluation mode, and its images.

    Images are told by their shape and the mean of each channel of each one.
    """

    training: bool
    evaluation: bool
    shape: list[int]
    means: list[list[float]]


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


class Optimizer(Answer):
    """An optimizer: its settings at first, and the names of the parameters that it held at the first step."""

    kind: str
    rate: float
    amsgrad: bool
    decay: float
    decoupled: bool
    held: list[str]


class Scheduler(Answer):
    """A learning-rate scheduler."""

    kind: str
    gamma: float | None


class Step(Answer):
    """A step of an optimizer: its learning rates, and how often each scheduler had stepped."""

    optimizer: int
    rates: Annotated[list[float], Field(min_length=1)]
    epochs: list[int]


class Checkpoint(Answer):
    """A weights file: why it cannot be read, or the shape of each tensor and, of the last model, the digest."""

    problem: str | None
    digests: dict[str, str]
    shapes: dict[str, list[int]]


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
    trained: dict[str, bool]
    start: dict[str, str]
    files: list[str]
    history: list[list[str]] | None
    checkpoints: dict[str, Checkpoint]
    kept_name: str | None
    kept: InstanceOf[np.ndarray] | None

    @property
    def last(self) -> np.ndarray | None:
        """The bytes of the last model, None where only others were saved."""
        return self.kept if "last" in (self.kept_name or "").rpartition("/")[2] else None

    @property
    def ended(self) -> bool:
        """Whether the script came to its own end, and a good one."""
        return self.status == 0 and not self.stopped


def problem_of(run: Run, _arguments: dict[str, Any]) -> str | None:
    """Say what in a record does not fit together, so that no check has to look."""
    for forward in run.forwards:
        if len(forward.shape) != 4 or len(forward.means) != forward.shape[0] or any(len(m) != 3 for m in forward.means):
            return "images that do not fit their shape"
    if (run.kept is None) != (run.kept_name is None) or run.kept_name not in {None, *run.checkpoints}:
        return "a file that is not among the saved ones"
    return None
