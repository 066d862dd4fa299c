"""What was measured, kept as data beside the commands that measure it."""

import json
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from grader.sandbox.limits import usable_cores

FOLDER = Path(__file__).parent / "measured"


def keep(name: str, measured: dict[str, Any]) -> None:
    """Write what a command has measured, with the day and the machine, to `measured/<name>.json`."""
    where = {
        "day": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "python": platform.python_version(),
        "torch": version("torch"),
    }
    FOLDER.mkdir(exist_ok=True)
    text = json.dumps({**where, **measured}, indent=2, ensure_ascii=False)
    (FOLDER / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def machine() -> str:
    """What a figure was measured on."""
    return f"{platform.system()} {platform.machine()}, {usable_cores()} cores"


def kept(name: str) -> dict[str, Any] | None:
    """What a command has measured, None if it was never run."""
    path = FOLDER / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
