"""torch's compiler, imported once somebody compiles: that takes two seconds, which no ordinary check has a use for.

torchvision asks it for one function when it is imported, and torch's optimizers for two that do nothing unless a
compiler is at work. Stand-ins in `sys.modules` have these three; whoever asks for anything else gets the real one.
"""

import importlib
import sys
from collections.abc import MutableSequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

COMPILER = "torch._dynamo"
UTILS = f"{COMPILER}.utils"


def postpone_compiler() -> None:
    """Put the stand-ins in place, unless the compiler has been imported already."""
    if COMPILER in sys.modules:
        return
    compiler, utils = StandIn(COMPILER), StandIn(UTILS)
    compiler.disable = lambda function=None, *_, **__: function  # type: ignore[attr-defined]
    compiler.graph_break = lambda *_, **__: None  # type: ignore[attr-defined]
    utils.is_compile_supported = lambda device: real(UTILS).is_compile_supported(device)  # type: ignore[attr-defined]
    sys.modules.update({COMPILER: compiler, UTILS: utils})
    sys.meta_path.insert(0, Finder())


def real(name: str) -> Any:
    """Take the stand-ins away, and import the module of this name."""
    for stands_for in (COMPILER, UTILS):
        if isinstance(sys.modules.get(stands_for), StandIn):
            del sys.modules[stands_for]
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, Finder)]
    return importlib.import_module(name)


class StandIn(ModuleType):
    """A module that is imported when it is asked for what it has not."""

    __path__: MutableSequence[str] = []  # noqa: RUF012 - a package: for its modules, the finder is asked

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # `inspect` goes through all modules, and asks for their files
            raise AttributeError(name)
        return getattr(real(self.__name__), name)


class Finder(MetaPathFinder, Loader):
    """Finds the compiler's other modules while there are stand-ins, which then go."""

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        """Answer for the compiler's modules only."""
        del path, target
        if not fullname.startswith(f"{COMPILER}."):
            return None
        return ModuleSpec(fullname, self)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Import the real module."""
        module: ModuleType = real(spec.name)
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its own spec back, where the import system could replace it."""
        if module.__spec__ is not None and module.__spec__.loader is self:
            module.__spec__ = module.__spec__.loader_state
