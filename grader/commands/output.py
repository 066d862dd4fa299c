"""What commands write to the terminal and where they may write files."""

import shutil
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from grader.errors import UsageError


def tell(console: Console, title: str, message: str) -> None:
    """Print a title and a message in which nothing is taken for markup."""
    console.print(
        Text(f"{title}. ", style="bold red") + Text(message),
        soft_wrap=shutil.get_terminal_size().columns < 40,
    )


def check_writable(folder: Path) -> None:
    """Find out before an hour of grading, not after it, that results cannot be kept."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(f"The output folder {str(folder)!r} cannot be written to: {error.strerror}.") from error
