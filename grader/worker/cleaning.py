"""Removing what a check has left behind, however it is nested or closed."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path


def remove(paths: Sequence[Path]) -> None:
    """Remove files and folders; what belongs to somebody else stays.

    Python's own removal ends at folders without permissions, and at its recursion limit; the system's tools do not, but
    take a process to start, so they come second.
    """
    for path in paths:
        with suppress(OSError, RecursionError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    left = [os.fspath(path) for path in paths if os.path.lexists(path)]
    if left:
        for command in (["chmod", "-R", "u+rwx", "--"], ["rm", "-rf", "--"]):
            subprocess.run([*command, *left], stdin=subprocess.DEVNULL, capture_output=True, check=False)  # noqa: S603
