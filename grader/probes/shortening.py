"""Has code train for a few epochs, however many it asks for, whether a trainer or a function of its own counts them."""

import ast
import builtins
import functools
import importlib.machinery
import inspect
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from grader.probes.choices import Site, dotted, parsed, taken

EPOCHS = re.compile(r"(?:n|nr|num|no|max|total|train(?:ing)?)?_?(?:of_)?epoch(?:s|en)?(?:_\w+)?", re.IGNORECASE)
# So few show everything; an odd number has its last epoch where the handout's 31 have it, on a validation.
FEW = 3
SHORTENED = "__grader_few_epochs__"


class Shortening:
    """What is called epochs, and is a number, becomes a few.

    Args:
        epochs: so many, three or four if it is None.
    """

    def __init__(self, epochs: int | None) -> None:
        self._epochs = epochs
        self._given: int | None = None
        self._set: set[int] = set()

    def asked(self) -> int | None:
        """How many epochs the training that begins was to have: what its trainer was given, or the only number set."""
        given, self._given = self._given, None
        return given or (next(iter(self._set)) if len(self._set) == 1 else None)

    def install(self, root: str) -> None:
        """Change modules below a folder that are imported from now on."""
        setattr(builtins, SHORTENED, self._shortened)
        loader = importlib.machinery.SourceFileLoader
        plain = loader.source_to_code

        def source_to_code(loader: Any, data: Any, path: Any, *positional: Any, **named: Any) -> Any:
            if isinstance(data, (bytes, str)) and os.fspath(path).startswith(root):
                tree = parsed(data, os.fspath(path))
                self.change(tree)
                data = tree
            return plain(loader, data, path, *positional, **named)

        loader.source_to_code = source_to_code  # type: ignore[method-assign,assignment]

    def change(self, tree: ast.Module) -> None:
        """Decorate what takes a number of epochs, and set what is set to one, in a tree."""
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and any(map(EPOCHS.fullmatch, taken(node))):
                name = ast.Name(SHORTENED, ast.Load())
                node.decorator_list.insert(0, ast.copy_location(name, node))
            for site in _numbers(node):
                asked: Any = site.node.value if isinstance(site.node, ast.Constant) else None
                if self._is_many(asked):
                    self._set.add(asked)
                    site.put(str(self._few(asked)))

    def _is_many(self, value: Any) -> bool:
        return type(value) is int and value > (self._epochs or FEW + 1)

    def _few(self, value: int) -> int:
        return self._epochs or FEW + (value + 1) % 2

    def _shortened(self, made: Any) -> Any:
        """A function or a class that trains for few epochs, however many it is given."""
        plain: Any = vars(made).get("__init__", object.__init__) if isinstance(made, type) else made
        try:
            signature = inspect.signature(plain)
        except (TypeError, ValueError):
            return made

        @functools.wraps(plain)
        def shortened(*positional: Any, **named: Any) -> Any:
            with suppress(TypeError):
                call = signature.bind(*positional, **named)
                call.apply_defaults()
                for name, value in call.arguments.items():
                    if EPOCHS.fullmatch(name) and self._is_many(value):
                        self._given = value
                        call.arguments[name] = self._few(value)
                positional, named = call.args, call.kwargs
            return plain(*positional, **named)

        if not isinstance(made, type):
            return shortened
        made.__init__ = shortened  # type: ignore[misc]
        return made


def _numbers(node: ast.AST) -> Iterator[Site]:
    """Where a number of epochs stands: assigned, given by name, in a table, or as the default of an option."""
    if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if any(EPOCHS.fullmatch((dotted(each) or "").rpartition(".")[2]) for each in targets):
            yield Site(node, "value")
    if isinstance(node, ast.Dict):
        for place, key in enumerate(node.keys):
            if isinstance(key, ast.Constant) and isinstance(key.value, str) and EPOCHS.fullmatch(key.value):
                yield Site(node, "values", place)
    if isinstance(node, ast.Call):
        option = any(
            isinstance(each, ast.Constant) and EPOCHS.fullmatch(str(each.value).strip("-").replace("-", "_"))
            for each in node.args
        )
        for keyword in node.keywords:
            if EPOCHS.fullmatch(keyword.arg or "") or (option and keyword.arg == "default"):
                yield Site(keyword, "value")
