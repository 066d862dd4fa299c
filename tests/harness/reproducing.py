"""A place to reproduce experiments with scripts that train nothing (`fake_training.py`)."""

import io
import json
import shutil
import sys
from pathlib import Path

from rich.console import Console

from grader.experiments.plans import load_experiments
from grader.reproduction import Plan, reproduce, select
from grader.reproduction.show import Lines
from grader.reproduction.sources import open_source
from grader.reproduction.summary import Summary

EXPERIMENTS = load_experiments()
BY_NAME = {experiment.name: experiment for experiment in EXPERIMENTS}
NAMES = list(BY_NAME)
FAKE = Path(__file__).with_name("fake_training.py")
DRIVER = """
import functools, sys
import grader.reproduction as reproduction
from pathlib import Path
reproduction.Plan = functools.partial(reproduction.Plan, scripts=Path(sys.argv[1]))
from grader.commands import main
sys.exit(main(sys.argv[2:]))
"""


class Bench:
    """A folder of fake scripts, a folder that looks like data, and an output folder."""

    def __init__(self, folder: Path) -> None:
        self.scripts, self.data, self.output = folder / "scripts", folder / "data", folder / "output"
        self.scripts.mkdir()
        for script in ("train.py", "train_segformer.py"):
            shutil.copy(FAKE, self.scripts / script)
        for data in ("oxford-iiit-pet", "cityscapes"):
            (self.data / data).mkdir(parents=True)
        self.behave()

    def behave(self, **behaviour: str) -> None:
        """Say by experiment what goes wrong from now on."""
        (self.scripts / "behaviour.json").write_text(json.dumps(behaviour))

    def calls(self) -> list[dict[str, object]]:
        """The trainings since the last question, in order."""
        file = self.scripts / "calls.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return [json.loads(line) for line in lines]

    def names(self) -> list[object]:
        """The names of the experiments that were trained since the last question."""
        return [call["name"] for call in self.calls()]

    def run(self, *only: str, console: Console | None = None, log: Console | None = None, **changes: object) -> Summary:
        """Run experiments in this process."""
        quiet = Console(file=io.StringIO())
        with Lines(log or quiet) as lines:
            source = open_source(self.data, "smoke", lines.images)
            plan = {"experiments": select(EXPERIMENTS, only), "scale": "smoke", "source": source} | changes
            return reproduce(Plan(output=self.output, scripts=self.scripts, **plan), lines, console or quiet)

    def command(self, *arguments: str) -> list[str]:
        """The command line of `reproduce` with the fake scripts."""
        given = ["--data-root", str(self.data), "--output", str(self.output), *arguments]
        return [sys.executable, "-c", DRIVER, str(self.scripts), "reproduce", *given]
