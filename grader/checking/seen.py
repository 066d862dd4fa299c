"""A training that was seen in a run of a script without an interface, and which of the handout's it is."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from grader.answers.script_form import Request, Run, Training
from grader.checking.script_runs import Command, Made
from grader.checking.variations import Variation
from grader.sandbox import Limits
from grader.worker.names import half

FREEZING = re.compile(r"freez|frozen", re.IGNORECASE)
NAMES = {"fcn": "FCN", "segformer": "SegFormer"}


@dataclass(frozen=True, eq=False)
class Seen:
    """A training of a run.

    Args:
        run: of which it is one.
        number: its place in there.
        variation: what was run.
        said: the end of what the run printed.
        limits: that the run had.
        data: the files that it was given, by relative path.
    """

    run: Run
    number: int
    variation: Variation
    said: str
    limits: Limits
    data: dict[str, Any]

    @property
    def training(self) -> Training:
        """What it started and ended with."""
        return self.run.trainings[self.number]

    @property
    def requests(self) -> list[Request]:
        """The trained weights that its network began with."""
        return [request for request in self.run.requests if request.of == self.number]

    @property
    def complete(self) -> bool:
        """Whether it came to its end: the script went on to another one, or ended well."""
        begun = self.training.begun
        return begun and (self.run.ended or (self.number + 1 < len(self.run.trainings)))

    @property
    def freezing(self) -> bool:
        """Whether its encoder was frozen, or was to be by what was chosen for the run."""
        return self.training.freezing or self.variation.speaks_of(FREEZING)

    @property
    def files(self) -> dict[str, dict[str, str]]:
        """The digests of what it may have started from, by file; so is an encoder that an earlier training left."""
        encoder = half(dict(self.training.start), "encoder")
        finals = {
            f"(training {place} of this run)": each.final
            for place, each in enumerate(self.run.trainings[: self.number], 1)
            if encoder and half(dict(each.final), "encoder") == encoder
        }
        return self.training.loaded | finals

    @property
    def starts_from_a_file(self) -> bool:
        """Whether weights were loaded before it, or those of an earlier training were handed on."""
        return bool(self.training.loaded) or bool(self.files)

    def made(self) -> Made:
        """The same as a run of its own, for the checks."""
        command = Command(self.variation.script, (), self.data, typed=self.variation.line)
        run = self.run.only(self.number)
        if self.complete:
            run = run.model_copy(update={"status": 0, "error": None, "stopped": False})
        return Made(command, run, self.said, self.limits, self.files)


Is = Callable[[Seen], bool]


def _fcn(seen: Seen) -> bool:
    return seen.training.network == "fcn" and seen.training.data != "streets"


def _segformer(seen: Seen, data: str) -> bool:
    return seen.training.network == "segformer" and seen.training.data == data


def _frozen(seen: Seen) -> bool:
    """Whether it is option b; a run that we chose may have frozen without loading, which nobody asked for."""
    return _segformer(seen, "pets") and seen.freezing and (seen.starts_from_a_file or seen.variation.as_it_stands)


KINDS: dict[str, Is] = {
    "scratch": lambda seen: _fcn(seen) and not seen.requests,
    "backbone": lambda seen: _fcn(seen) and bool(seen.requests),
    "fcn": _fcn,
    "city": lambda seen: _segformer(seen, "streets"),
    "tuned": lambda seen: _segformer(seen, "pets") and seen.starts_from_a_file and not seen.freezing,
    "frozen": _frozen,
    "fine-tuned": lambda seen: KINDS["tuned"](seen) or _frozen(seen),
    "pets": lambda seen: _segformer(seen, "pets") and not seen.starts_from_a_file and not seen.freezing,
    "segformer": lambda seen: seen.training.network == "segformer",
}


def in_words(seen: Seen) -> str:
    """A training for a reader: the network, its data, and where it started."""
    training = seen.training
    words = [f"{NAMES.get(training.network, 'another network')} on {training.data or 'unknown data'}"]
    words += [f"with {request.name}" + " by default" * request.by_default for request in seen.requests]
    words += [f"after loading {name}" for name in training.loaded]
    words += ["encoder frozen"] * training.freezing
    words += [f"{training.epochs} epochs asked for"] * (training.epochs is not None)
    return ", ".join(words) + ("" if training.begun else " (broke off before its first step)")
