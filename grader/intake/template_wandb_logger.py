"""Stands in for the given logger where a hand-in has left it out: everything can be logged, and nothing is."""

from typing import Any


class WandBLogger:
    """Takes whatever it is given, and has every method that is asked for."""

    def __init__(self, *_positional: Any, **_named: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _nothing


def _nothing(*_positional: Any, **_named: Any) -> None:
    """Log nothing."""
