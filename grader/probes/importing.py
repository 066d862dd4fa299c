"""Imports one part of a hand-in although a module that another part is about is missing or broken.

A mistake costs once: what cannot be imported fails where it is judged itself. Here something empty takes its place.
"""

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType, TracebackType

from grader.worker.answers import root_of_submission
from grader.worker.stubs import nothing

MOST_REPLACED = 8
# What another part judges, or everybody was given.
OF_OTHERS = ("dlvc.metrics", "dlvc.models", "dlvc.dataset", "dlvc.datasets", "dlvc.wandb_logger")


def import_part(name: str) -> ModuleType:
    """A module of a hand-in; others of its package that cannot be imported are replaced.

    Args:
        name: such as `dlvc.trainer`.

    Raises:
        Exception: whatever the module's own import raises, or that of one that cannot be told.
    """
    for _ in range(MOST_REPLACED):
        try:
            return import_module(name)
        except (Exception, SystemExit) as error:
            culprit = _culprit(error)
            if culprit is None or not culprit.startswith(OF_OTHERS):
                raise
            sys.modules[culprit] = nothing(culprit)
    return import_module(name)


def _culprit(error: BaseException) -> str | None:
    """The module whose import failed: the one that is missing, lacks a name, or is run as the error leaves it."""
    if isinstance(error, ImportError) and error.name:
        return error.name
    if isinstance(error, SyntaxError) and error.filename:
        return _module_of(error.filename)
    return _module_of(_innermost_module(error.__traceback__))


def _innermost_module(trace: TracebackType | None) -> str:
    """The file of the innermost code that stands in no function."""
    found = ""
    while trace is not None:
        code = trace.tb_frame.f_code
        found = code.co_filename if code.co_name == "<module>" else found
        trace = trace.tb_next
    return found


def _module_of(filename: str) -> str | None:
    """The dotted name of a file of the hand-in."""
    root = root_of_submission()
    path = Path(filename)
    if not path.is_relative_to(root):
        return None
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
