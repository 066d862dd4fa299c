"""The experiments of the handout as data: which script runs with which settings, loaded from `plans.toml`."""

import tomllib
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, ValidationError, model_validator

from grader.errors import GraderFault
from grader.records import Record, Scale

PLANS_FILE: Final = Path(__file__).with_name("plans.toml")
LAST_MODEL: Final = "SegFormer_model_last.pth"


class Settings(Record):
    """How long and how an experiment trains, at one scale."""

    epochs: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    lr: float = Field(gt=0)
    val_frequency: int = Field(gt=0)


class Experiment(Record):
    """One training of the handout; `plans.toml` explains the fields."""

    name: str = Field(pattern=r"^[a-z_]+$")
    title: str
    script: Literal["train.py", "train_segformer.py"]
    flags: tuple[str, ...]
    data: Literal["pets", "streets"]
    after: str | None = None
    published: str | None = None
    above: str | None = None
    downloads: str | None = None
    smoke: Settings
    full: Settings

    def settings(self, scale: Scale) -> Settings:
        """Return the settings at a scale."""
        return self.smoke if scale == "smoke" else self.full

    def arguments(self, scale: Scale, data_root: Path, results: Path) -> list[str]:
        """Return what stands behind the script's name on its command line; `--device` and `--seed` may be added.

        Args:
            scale: which settings to take.
            data_root: the folder that holds `oxford-iiit-pet/` and `cityscapes/`.
            results: the folder in which each experiment has its output, in a folder of its name.
        """
        settings = self.settings(scale)
        given = {
            "--data-root": data_root / "cityscapes" if self.data == "streets" else data_root,
            "--output": results / self.name,
            "--epochs": settings.epochs,
            "--batch-size": settings.batch_size,
            "--lr": settings.lr,
            "--val-frequency": settings.val_frequency,
        }
        if self.after is not None:
            given["--pretrained"] = results / self.after / LAST_MODEL
        return [*self.flags, *(str(word) for pair in given.items() for word in pair)]


class _Experiments(Record):
    experiment: tuple[Experiment, ...]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        seen: set[str] = set()
        for experiment in self.experiment:
            if experiment.name in seen:
                raise ValueError(f"{experiment.name} stands there twice")
            if experiment.after is not None and experiment.after not in seen:
                raise ValueError(f"{experiment.name} starts from {experiment.after!r}, which does not stand before it")
            if experiment.above is not None and experiment.above not in seen:
                raise ValueError(f"{experiment.name} is above {experiment.above!r}, which does not stand before it")
            seen.add(experiment.name)
        return self


def load_experiments(path: Path = PLANS_FILE) -> tuple[Experiment, ...]:
    """Read the experiments, in an order in which they can be run.

    Raises:
        GraderFault: the file is missing, no TOML, or contradicts itself; the message says where.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        return _Experiments.model_validate(raw).experiment
    except (OSError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise GraderFault(f"The experiments {path.name} cannot be used: {error}") from error
