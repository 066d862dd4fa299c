"""Import the modules of a hand-in as a graded run does: with its folder on the path."""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
REFERENCE, STUDENT = ROOT / "reference", ROOT / "student"


@contextmanager
def on_path(folder: Path) -> Iterator[Callable[[str], ModuleType]]:
    """Put `folder` first on the path and yield the import function; forget its modules at the end."""
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield importlib.import_module
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            if Path(getattr(sys.modules[name], "__file__", None) or "/").is_relative_to(folder):
                del sys.modules[name]
