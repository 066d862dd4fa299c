"""Offline stand-ins for logging packages that students import but a grader has no use for.

A stand-in is only given for a package of `STUBBED` that is not installed. Every attribute of it exists, can be called
with anything, takes items, is a context manager and a base class, and gives itself back, so that
`wandb.init(...).log(...)` runs and logs nothing.
"""

import importlib.abc
import importlib.machinery
import os
import re
import sys
import types
from collections.abc import Iterator, Sequence
from typing import Any

# torch.utils.tensorboard writes what it gets in Google's format, also to a stand-in.
STUBBED = frozenset({"wandb", "tensorboard", "tensorboardX", "google", "neptune", "mlflow", "comet_ml"})


class _Nothing(types.ModuleType):
    """A module whose every attribute is another one like it."""

    __path__: list[str] = []  # noqa: RUF012 - makes it a package, nobody adds to it
    __version__ = "999.0"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Nothing(f"{self.__name__}.{name}")

    def __call__(self, *_args: Any, **_keywords: Any) -> Any:
        return self

    def __getitem__(self, _key: Any) -> Any:
        return self

    def __setitem__(self, _key: Any, _value: Any) -> None:
        return None

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __mro_entries__(self, _bases: tuple[Any, ...]) -> tuple[type, ...]:
        return ()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_error: object) -> None:
        return None


def nothing(name: str) -> types.ModuleType:
    """A module of this name that has everything, and in which nothing happens."""
    return _Nothing(name)


class _StubFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """The last finder on `sys.meta_path`: it only hears of packages that nobody else could find."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        del path, target
        if fullname.partition(".")[0] in STUBBED:
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _Nothing(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        del module


# Of variables that loggers want to be set: to a key that nobody hands in.
SECRET = re.compile(r"WANDB|KEY|TOKEN|ENTITY|NEPTUNE|COMET|MLFLOW")


class _Environment(type(os.environ)):  # type: ignore[misc]
    """The environment, in which every key of a logger has a value."""

    def __getitem__(self, name: str) -> str:
        try:
            return str(super().__getitem__(name))
        except KeyError:
            if SECRET.search(name):
                return "offline"
            raise


def install() -> None:
    """Put the stand-ins behind every real package, and keys for them into the environment."""
    sys.meta_path.append(_StubFinder())
    os.environ.__class__ = _Environment
