"""The command lines of a hand-in's experiments, as a tutor names them in a TOML file."""

import tomllib
from pathlib import Path

from grader.checking.variations import Variation
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
        try:
            Variation.of_line(str(line))
        except ValueError as error:
            message = f"{str(path)!r}: {name} is no command line of a script. Expected: {EXAMPLE}"
            raise UsageError(message) from error
    return tuple(map(str, runs.values()))
