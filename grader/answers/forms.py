"""The form of each probe's answer: which fields and types it has, never which values.

The process that answers also runs the submission, so what it sends may be anything that fits into a frame. An answer is
read against its form before a check sees it: a check may then rely on it, and whatever goes wrong in a check afterwards
is the grader's own fault. Code that only returns wrong values cannot bring a probe to send another form.
"""

import functools
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

from grader.answers.fields import EXACT, Array, Arrays
from grader.answers.script_form import Observed, Run, problem_of_observed
from grader.answers.script_form import problem_of as run_problem
from grader.answers.training_form import Labels, Training, problem_of


class WrongForm(Exception):  # noqa: N818 - it describes an answer
    """An answer is not of its probe's form."""


@with_config(EXACT)
class Reading(TypedDict):
    """What a metric says."""

    miou: float
    text: str


@with_config(EXACT)
class Updated(TypedDict):
    """What a metric says after one update, and its inputs as they are then."""

    miou: float
    prediction: Array
    target: Array


@with_config(EXACT)
class Reaction(TypedDict):
    """What an input made a metric raise."""

    raised: str | None
    bases: list[str]
    message: str
    accident: str | None


@with_config(EXACT)
class Grid(TypedDict):
    """The attributes of a patch embedding."""

    H: float
    W: float
    num_patches: float


@with_config(EXACT)
class Tokens(TypedDict):
    """What a patch embedding returns: tokens, and the height and width of their map."""

    tokens: Array
    size: Annotated[list[float], Field(min_length=2, max_length=2)]


@with_config(EXACT)
class Layout(TypedDict):
    """A network's state dict, by name and shape, and its numbers of parameters."""

    shapes: dict[str, list[int]]
    parameters: int
    encoder: int


@with_config(EXACT)
class Trained(TypedDict):
    """Scores in training mode, and the length of each parameter's gradient."""

    scores: Array
    lengths: Arrays


@with_config(EXACT)
class Saved(TypedDict):
    """What saving wrote, and scores before saving and after loading."""

    files: list[str]
    keys: list[list[str]]
    expected_keys: list[str]
    before: Array
    after: Array


@with_config(EXACT)
class Report(TypedDict):
    """What a program can tell of a report."""

    problem: str | None
    pages: int | None
    drawn: int | None


@with_config(EXACT)
class Renewed(TypedDict):
    """A weights file with other values, and the digest of each tensor."""

    weights: Array
    digests: dict[str, str]


class Form(NamedTuple):
    """The form of a probe's answer.

    Args:
        type: what pydantic reads it as.
        length: of an answer that is a list: how many entries a call with these arguments gets.
        problem: says what is wrong with an answer whose parts do not fit together, None if they do.
    """

    type: Any
    length: Callable[[dict[str, Any]], int] | None = None
    problem: Callable[[Any, dict[str, Any]], str | None] | None = None

    def read(self, answer: Any, arguments: dict[str, Any]) -> Any:
        """Return the answer to a call with these arguments.

        Raises:
            WrongForm: it is of another form; the message says where.
        """
        try:
            value = _reader(self.type).validate_python(answer, strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = "".join(f"[{step!r}]" for step in first["loc"])
            raise WrongForm(f"answer{place}: {first['msg']}") from None
        if self.length is not None and len(value) != self.length(arguments):
            raise WrongForm(f"answer: {len(value)} entries in place of {self.length(arguments)}")
        if self.problem is not None and (problem := self.problem(value, arguments)) is not None:
            raise WrongForm(f"answer: {problem}")
        return value


@functools.cache
def _reader(form: Any) -> TypeAdapter[Any]:
    return TypeAdapter(form)


def _reads(arguments: dict[str, Any]) -> int:
    return sum(step["do"] == "read" for step in arguments["steps"])


def _steps(arguments: dict[str, Any]) -> int:
    return 0 if arguments["only_content"] else int(arguments["times"])


def _no_classes(answer: Any, arguments: dict[str, Any]) -> str | None:
    """Say why an array is no class for each pixel of the images, if it is none."""
    expected, found = arguments["images"].shape[:3], answer.shape
    if answer.dtype != np.uint8 or found != expected or answer.max(initial=0) >= arguments["classes"]:
        return f"no classes below {arguments['classes']} of {expected} pixels, but {answer.dtype} of {found}"
    return None


FORMS = {
    "metrics_run": Form(list[Reading], _reads),
    "metrics_update_and_return": Form(Updated),
    "metrics_reactions": Form(list[Reaction], lambda arguments: len(arguments["inputs"])),
    "segformer_block": Form(Array),
    "segformer_block_gradients": Form(Arrays),
    "segformer_block_branches": Form(list[Array], lambda arguments: len(arguments["scales"])),
    "segformer_patch_embed_grid": Form(list[Grid], lambda arguments: len(arguments["configs"])),
    "segformer_patch_embed": Form(Tokens),
    "segformer_head": Form(Array),
    "segformer_head_gradients": Form(list[Array], lambda arguments: len(arguments["maps"])),
    "segformer_layout": Form(Layout),
    "segformer_network": Form(Array),
    "segformer_network_gradients": Form(Trained),
    "segformer_checkpoint": Form(Saved),
    "handin_report": Form(Report),
    "trainer_run": Form(Training, problem=problem_of),
    "trainer_script_labels": Form(Labels),
    "scripts_run": Form(Run, problem=run_problem),
    "behaviour_run": Form(Observed, problem=problem_of_observed),
    "throughput_metric": Form(list[float], _steps),
    "throughput_forward": Form(list[Array], lambda arguments: arguments["times"]),
    "throughput_training_step": Form(list[float], _steps),
    "weights_renewed": Form(Renewed),
    "smoke_predict": Form(Array, problem=_no_classes),
}
