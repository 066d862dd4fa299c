"""Hand-ins of the published handout, by other authors than the checks', and the verdicts that they have to get."""

import shutil
import tomllib
from pathlib import Path

import patch_ng
from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from tests.submissions.planted import REFERENCE

FOLDER = Path(__file__).parent / "original"
REPORT = REFERENCE / "report.pdf"


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
