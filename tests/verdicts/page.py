"""The page that says how right the verdicts are: `docs/verdicts.md`, out of what the other commands have measured."""

from pathlib import Path

import jinja2

from grader.files import ROOT
from grader.rubric import load_rubric
from tests.submissions.planted import right_submissions, wrong_submissions
from tests.verdicts.flakes import PACKED, digest
from tests.verdicts.results import kept

PAGE = ROOT / "docs" / "verdicts.md"
TEMPLATE = Path(__file__).with_name("page.md.jinja")


def page() -> bool:
    """Write `docs/verdicts.md` from the kept figures."""
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(text(), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")
    return True


def text() -> str:
    """The whole page; a figure that was never measured is missing in it, with the command that would give it."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    flaky = (kept("flakes") or {"parts": {}})["parts"]
    titles = {part.id: part.title for part in load_rubric().parts}
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        mistakes=kept("mistakes"),
        mutants=kept("mutants"),
        originals=kept("originals"),
        flakes=kept("flakes"),
        titles=titles,
        stale=[part for part, measured in flaky.items() if measured["sources"] != digest(part)],
        packed=PACKED,
        planted={"wrong": len(wrong_submissions()), "right": len(right_submissions())},
    )
