"""The command lines of a hand-in's experiments, as a tutor names them in a TOML file."""

import shlex
import tomllib
from pathlib import Path

from grader.errors import UsageError

EXAMPLE = '[runs]\nstreets = "train_segformer.py --dataset city"'


def named_runs(path: Path) -> tuple[str, ...]:
    """Read the command lines below `[runs]`, in their order; what each is called is for the reader only.

    Raises:
        UsageError: the file cannot be read, or is of another form.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{str(path)!r} cannot be read as TOML: {error}.") from error
    runs = content.get("runs")
    if not isinstance(runs, dict) or not runs or content.keys() != {"runs"}:
        raise UsageError(f"{str(path)!r} has no runs. Expected: {EXAMPLE}")
    for name, line in runs.items():
        if not isinstance(line, str) or not _is_command(line):
            raise UsageError(f"{str(path)!r}: {name} is no command line of a script. Expected: {EXAMPLE}")
    return tuple(runs.values())


def _is_command(line: str) -> bool:
    """Whether it names a Python script, after variables of the environment if there are any."""
    try:
        words = [word for word in shlex.split(line) if word not in ("python", "python3")]
    except ValueError:
        return False
    scripts = [place for place, word in enumerate(words) if word.endswith(".py")]
    return bool(scripts) and all("=" in word for word in words[: scripts[0]])
