"""Ways to run a script of the published handout: as it stands, as its authors say, or edited as they would."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from grader.answers.script_form import Observed, Option, Parser
from grader.worker.names import PRETRAINED

# What is named by one of these words makes no other experiment of a run.
BESIDE = frozenset(
    [
        "amp",
        "aug",
        "augment",
        "bar",
        "batch",
        "batchsize",
        "cpu",
        "cuda",
        "debug",
        "decay",
        "device",
        "dir",
        "dirs",
        "download",
        "epoch",
        "epochs",
        "folder",
        "freq",
        "frequency",
        "gamma",
        "gpu",
        "gpus",
        "grad",
        "home",
        "job",
        "key",
        "log",
        "logger",
        "logging",
        "logs",
        "loss",
        "lr",
        "metric",
        "mps",
        "name",
        "num",
        "optim",
        "optimizer",
        "out",
        "output",
        "path",
        "plot",
        "port",
        "print",
        "rate",
        "requires",
        "resume",
        "root",
        "save",
        "saved",
        "sched",
        "scheduler",
        "seed",
        "show",
        "size",
        "split",
        "suffix",
        "tmp",
        "transform",
        "transforms",
        "user",
        "verbose",
        "viz",
        "wandb",
        "worker",
        "workers",
    ]
)
WEIGHTS = re.compile(r"weight|pretrain|encoder|checkpoint|ckpt|backbone|init|load|model", re.IGNORECASE)
CONFIG = (".yaml", ".yml", ".json", ".toml", ".ini", ".cfg")
FIRST = ("train.py", "train_segformer.py")
# Starts from what another script has written.
LAST = re.compile(r"fine|tun", re.IGNORECASE)
NO_SCRIPT = re.compile(r"(^|/)(viz|vis|plot|test|setup|conftest|__init__|predict|eval|infer|demo|show)[^/]*\.py$")
MOST_SCRIPTS = 10


@dataclass(frozen=True)
class Variation:
    """A script and how it is run.

    Args:
        script: its path in the hand-in.
        arguments: its command line.
        environment: variables that are set for it.
        values: what is set to another expression in its code, by name.
        call: what is called in place of what it calls.
        lines: first and last line of a block that is no longer commented out.
        documented: it is how its authors say that it is run.
    """

    script: str
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    call: str | None = None
    lines: tuple[int, ...] = ()
    documented: bool = False

    @classmethod
    def of_line(cls, line: str) -> "Variation":
        """A command line as a person writes it, `STAGE=city python train.py --lr 0.1`.

        Raises:
            ValueError: a shell could not read it, or it names no Python script after variables of the environment.
        """
        words = [word for word in shlex.split(line) if word not in ("python", "python3")]
        place = next((place for place, word in enumerate(words) if word.endswith(".py")), None)
        if place is None or not all("=" in word for word in words[:place]):
            raise ValueError(f"no command line of a script: {line}")
        return cls(words[place], tuple(words[place + 1 :]), _variables(words[:place]), documented=True)

    @property
    def line(self) -> str:
        """The command line, and what was edited, for a reader."""
        edited = [f"{name} = {value}" for name, value in self.values.items()]
        edited += [f"{self.call} called"] if self.call else []
        edited += [f"lines {'-'.join(map(str, self.lines))} no longer commented out"] if self.lines else []
        variables = [f"{name}={shlex.quote(value)}" for name, value in self.environment.items()]
        command = " ".join([*variables, f"python {shlex.join((self.script, *self.arguments))}"])
        return f"{command} ({', '.join(edited)})" if edited else command

    @property
    def as_it_stands(self) -> bool:
        """Whether nothing of it was chosen by us."""
        return self.documented or self == Variation(self.script)

    def with_arguments(self, *arguments: str) -> "Variation":
        """The same with further arguments."""
        return replace(self, arguments=(*self.arguments, *arguments))

    def together(self, other: "Variation") -> "Variation":
        """Both changes at once."""
        return replace(
            self,
            arguments=(*self.arguments, *other.arguments[len(_common(self.arguments, other.arguments)) :]),
            environment={**self.environment, **other.environment},
            values={**self.values, **other.values},
            call=self.call or other.call,
            lines=self.lines or other.lines,
            documented=False,
        )

    def speaks_of(self, words: re.Pattern[str]) -> bool:
        """Whether what was chosen has one of these words in it; a switch that is off is not chosen."""
        chosen = {**self.values, **self.environment}
        told = [*self.arguments, self.call or "", *(f"{name}={value}" for name, value in chosen.items())]
        return any(words.search(word) for word in told if not word.endswith(("=False", "=0", "=None")))

    def told(self) -> dict[str, Any]:
        """The same in JSON, as `grader.probes.behaviour.run` takes it."""
        return {
            "script": self.script,
            "arguments": list(self.arguments),
            "environment": dict(self.environment),
            "values": dict(self.values),
            "call": self.call,
            "lines": list(self.lines),
        }

    def touches(self) -> set[str]:
        """The names of what it changes."""
        options = {argument for argument in self.arguments if argument.startswith("-")}
        others = [*["(call)"] * (self.call is not None), *["(lines)"] * bool(self.lines)]
        return {*self.values, *self.environment, *options, *others}


def _variables(words: Sequence[str]) -> dict[str, str]:
    return dict(word.split("=", 1) for word in words if "=" in word)


def _common(ours: Sequence[str], theirs: Sequence[str]) -> list[str]:
    """The words with which both begin: a command that options belong to."""
    same = []
    for our, their in zip(ours, theirs, strict=False):
        if our != their or our.startswith("-"):
            break
        same.append(our)
    return same


def scripts_of(files: Sequence[str]) -> list[str]:
    """The scripts of a hand-in that may train: the handout's own first, what starts from another's file last."""
    found = [name for name in files if name.endswith(".py") and name.count("/") <= 1 and not name.startswith("dlvc/")]
    found = [name for name in found if not NO_SCRIPT.search(name.lower())]
    order = {
        name: (FIRST.index(name) if name in FIRST else len(FIRST), LAST.search(name) is not None) for name in found
    }
    return sorted(found, key=lambda name: (order[name], name))[:MOST_SCRIPTS]


def documented(script: str, observed: Observed) -> Iterator[Variation]:
    """The command lines for a script that its authors have written down."""
    for command in observed.choices.documented:
        arguments, variables = tuple(command.arguments), _variables(command.environment)
        if arguments or variables:
            yield Variation(script, arguments, variables, documented=True)


def single_changes(script: str, observed: Observed, files: Sequence[str]) -> Iterator[Variation]:
    """A script with one change: an argument, a variable of its environment, or a place in its code.

    Args:
        script: its path.
        observed: how it ran as it stands.
        files: the hand-in's files, among which there may be configurations.
    """
    choices, plain = observed.choices, Variation(script)
    if observed.parser is not None:
        yield from _by_parser(plain, observed.parser, choices.words, files)
    else:
        yield from (plain.with_arguments(word) for word in choices.words.get("argv", ()) if _is_choice(word))
    for name in choices.environment:
        if not _is_beside(name):
            words = [*choices.words.get(name, ()), *choices.words.get(name.lower(), ())]
            words = words or [*choices.words.get("(docstring)", ())]
            yield from (replace(plain, environment={name: word}) for word in dict.fromkeys(words or ["1"]))
    for name, values in choices.values.items():
        if not _is_beside(name):
            yield from (replace(plain, values={name: value}) for value in values if _is_choice(value))
    yield from (replace(plain, call=call) for call in choices.calls)
    yield from (replace(plain, lines=tuple(lines)) for lines in choices.lines)


def pairs(useful: Sequence[Variation], singles: Sequence[Variation], observed: Observed) -> Iterator[Variation]:
    """Two changes at once: one that led to a training, and another of something else."""
    for one in useful:
        for other in singles:
            if other != one and one.touches().isdisjoint(other.touches()) and _same_command(one, other, observed):
                yield one.together(other)


def _same_command(one: Variation, other: Variation, observed: Observed) -> bool:
    """Whether two command lines have the same command of a parser that has commands, or the same positional words."""
    if observed.parser is None:
        return not (one.arguments and other.arguments)
    return not observed.parser.commands or one.arguments[:1] == other.arguments[:1]


def _by_parser(
    base: Variation, parser: Parser, words: Mapping[str, Sequence[str]], files: Sequence[str]
) -> Iterator[Variation]:
    """Each option with each of its values; what has to be given is given throughout."""
    for option in parser.options:
        if option.required and (given := list(_arguments(option, words, files))):
            yield from (base.with_arguments(*words) for words in given)
            base = base.with_arguments(*given[0])
    for name, command in parser.commands.items():
        yield base.with_arguments(name)
        yield from _by_parser(base.with_arguments(name), command, words, files)
    for option in parser.options:
        if not option.required and not _is_beside(option.dest):
            yield from (base.with_arguments(*given) for given in _arguments(option, words, files))


def _arguments(option: Option, words: Mapping[str, Sequence[str]], files: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """What an option can be given, other than its default."""
    name = max(option.names, key=len, default=None)
    if option.switch:
        if name is not None:
            yield (name,)
        return
    values = [*option.choices, *words.get(option.dest, ())]
    if not option.choices and option.default in ("True", "False"):
        values.append(str(option.default == "False"))
    if option.default.endswith(CONFIG) or (not values and option.required and name is None):
        values += [file for file in files if file.endswith(CONFIG)]
    if not values and option.default == "None" and WEIGHTS.search(option.dest):
        values.append(PRETRAINED)
    for value in dict.fromkeys(values):
        if value != option.default and (_is_choice(value) or value.endswith(CONFIG)):
            yield (name, value) if name is not None else (value,)


def _is_beside(name: str) -> bool:
    """Whether a name, by one of its words, stands for something else than the experiment."""
    last = re.split(r"[.()]", name.rstrip(")"))[-1].lower()
    return last in BESIDE or not BESIDE.isdisjoint(re.split(r"[_\W]+", last))


def _is_choice(value: str) -> bool:
    """Whether a value can tell experiments apart: no path of the author's."""
    literal = value.startswith(("'", '"')) or value.isidentifier()
    return PRETRAINED in value or not literal or not re.search(r"[/\\.\s]", value)
