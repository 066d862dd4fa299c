"""Which smoke trainings there are."""

import math
from dataclasses import dataclass
from typing import Final, Literal

from grader.checking.script_data import PET_ROOT
from grader.checking.script_runs import Command
from grader.smoke.pictures import SIZE, training_files

Network = Literal["segformer", "fcn"]


@dataclass(frozen=True)
class Plan:
    """One smoke training; its settings are the handout's but for epochs, images, batches and validations.

    Args:
        name: of the network too.
        title: for people.
        script: of the submission.
        epochs: how many; the solution needs about a third of the time on two cores, so that slower ones get there.
        batch_size: images a step: so short a training needs many steps.
        flags: further arguments.
        solution: those that the solution's own training has beside them.
        published: the run of `data/handout_curves.csv` that trains the same, in full.
        images: how many pets there are to train and to validate on.
    """

    name: Network
    title: str
    script: str
    epochs: int
    batch_size: int
    flags: tuple[str, ...]
    published: str
    images: tuple[int, int] = (160, 80)
    solution: tuple[str, ...] = ()

    @property
    def steps(self) -> int:
        """How many steps the training takes."""
        return self.epochs * math.ceil(self.images[0] / self.batch_size)

    @property
    def options(self) -> tuple[str, ...]:
        """Its arguments, but for the seed and the folder of the results."""
        given = {
            "--data-root": PET_ROOT,
            "--epochs": self.epochs,
            "--batch-size": self.batch_size,
            "--image-size": SIZE,
            "--val-frequency": 1,
            "--device": "cpu",
        }
        return (*self.flags, *(str(word) for pair in given.items() for word in pair))

    def command(self, seed: int, *further: str) -> Command:
        """The run of a script."""
        options = (*self.options, *further, "--seed", str(seed))
        return Command(self.script, options, training_files(*self.images), keep=True, train=True)


PLANS: Final[dict[str, Plan]] = {
    plan.name: plan
    for plan in (
        Plan(
            *("segformer", "SegFormer, from scratch", "train_segformer.py", 6, 16, (), "segformer_scratch"),
            solution=("--decoder", "fused"),
        ),
        Plan("fcn", "FCN, from scratch", "train.py", 2, 8, ("--weights", "scratch"), "fcn_scratch"),
    )
}
