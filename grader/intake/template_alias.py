"""Written into a hand-in whose code imports a folder by the name that it had before it was placed as `dlvc`.

A second copy of the package would give every class twice, and an `isinstance` of the student's would fail for
no fault of theirs. So the old name leads to the very same modules. The grader never runs this; a worker does.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class Renamed(MetaPathFinder, Loader):
    """Finds `old.anything` as `new.anything`, or as `anything` where `new` is empty."""

    def __init__(self, old: str, new: str) -> None:
        self._old = f"{old}."
        self._new = f"{new}." if new else ""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Answer for the old name only."""
        del path, target
        return ModuleSpec(fullname, self) if fullname.startswith(self._old) else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Import the module by its new name."""
        module = importlib.import_module(self._new + spec.name[len(self._old) :])
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its own spec back, which the import system has just replaced."""
        if module.__spec__ is not None:
            module.__spec__ = module.__spec__.loader_state


def install(old: str, new: str) -> None:
    """Make `old` another name of `new`; in the folders above a dotted `old` there is nothing else."""
    sys.meta_path.insert(0, Renamed(old, new))
    above = old.split(".")[:-1]
    for depth in range(2, len(above) + 1):
        package = ModuleType(".".join(above[:depth]))
        package.__path__ = []
        sys.modules.setdefault(package.__name__, package)
    if new:
        sys.modules[old] = importlib.import_module(new)
