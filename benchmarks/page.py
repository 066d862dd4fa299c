"""The page that says how fast things are: `docs/speed.md`, out of what the other benchmarks have kept.

python benchmarks/page.py
"""

import json
from pathlib import Path
from typing import Any

import jinja2
from rounds import MEASURED, Spread, in_words

TEMPLATE = Path(__file__).with_name("page.md.jinja")
PAGE = Path(__file__).resolve().parents[1] / "docs" / "speed.md"
NAMES = ("models_cpu", "models_cuda", "metric", "graders", "data")


def kept(name: str) -> dict[str, Any] | None:
    """What a benchmark has kept, None where it has not."""
    file = MEASURED / f"{name}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def text() -> str:
    """The whole page, without what was never measured."""
    options = {"trim_blocks": True, "lstrip_blocks": True}
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, **options)  # noqa: S701 - Markdown of our own
    environment.filters["spread"] = lambda values, digits=0: Spread(*values).text(digits)
    environment.filters["host"] = in_words
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render({name: kept(name) for name in NAMES})


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
