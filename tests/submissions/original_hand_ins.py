"""Hand-ins of the published handout, by other authors than the checks', and the verdicts that they have to get."""

import shutil
import tomllib
from pathlib import Path

import patch_ng
from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from grader.records import Outcome, Status
from grader.rubric import Rubric
from tests.submissions.planted import REFERENCE

FOLDER = Path(__file__).parent / "original"
REPORT = REFERENCE / "report.pdf"
PARTS = ("metrics", "trainer", "fcn", "segformer", "pretraining", "handin")
# What its author decided by reading the code, and no run shows: a second trainer that one script alone imports, labels
# that a transform of the script shifts where another mistake is in the same place, lines behind the one where it dies,
# an exception that a failed check of the trainer may explain or not.
BY_READING = {
    "batch_means_flip_color": {"pretraining.city_runs"},
    "pet_masks_bilinear": {"trainer.pet_labels"},
    "segformer_trainer_without_eval": {"trainer.validation_mode"},
    "dies_half_way": {
        "pretraining.city_classes",
        "pretraining.ignored_label",
        "pretraining.encoder_loaded",
    },
}


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class HandIn:
    """A hand-in as `expected.toml` lists it: what is particular about it, and the checks that do not pass."""

    name: str
    what: str
    author: str
    base: str | None = None
    without: tuple[str, ...] = Field((), description="Files of the base that it does not have.")
    parts: frozenset[str] = Field(frozenset(), description="Those that its author has decided, all if there are none.")
    fails: frozenset[str] = frozenset()
    open: frozenset[str] = frozenset()
    why: str = Field("", description="The reasons for what fails and what is open.")

    def make(self, folder: Path) -> Path:
        """Write it below a folder, with a report unless it is to have none."""
        source = folder / "group_7"
        shutil.copytree(FOLDER / (self.base or self.name), source)
        for name in self.without:
            (source / name).unlink()
        if self.base is not None and (FOLDER / self.name).is_dir():
            shutil.copytree(FOLDER / self.name, source, dirs_exist_ok=True)
        elif self.base is not None:
            patch = patch_ng.fromfile(FOLDER / f"{self.name}.patch")
            fits = patch and patch.apply(strip=1, root=source)
            assert fits, f"{self.name}.patch does not fit"
        if "handin.report_is_pdf" not in self.fails:
            shutil.copy(REPORT, source)
        return source


def hand_ins() -> list[HandIn]:
    """All of them, in the order of the list."""
    listed = tomllib.loads((FOLDER / "expected.toml").read_text(encoding="utf-8"))
    return TypeAdapter(list[HandIn]).validate_python([{"name": name, **entry} for name, entry in listed.items()])


def allowed(rubric: Rubric, name: str, hand_in: HandIn, outcomes: dict[str, Outcome]) -> set[Status]:
    """How a check may end: as its author says, or left open where what it requires has not passed.

    A mistake shows in several checks of its own part: what an author calls open there may fail.
    """
    (check,) = (check for check in rubric.checks if check.id == name)
    waits = any(outcomes[other].status is not Status.PASSED for other in check.requires if other in outcomes)
    left = {Status.UNSCORED} if waits else set()
    if name in hand_in.fails:
        return {Status.FAILED} | left
    if name in hand_in.open:
        failed = {other.partition(".")[0] for other in hand_in.fails}
        return {Status.PASSED, Status.UNSCORED} | ({Status.FAILED} if check.part in failed else set())
    return {Status.PASSED} | left
