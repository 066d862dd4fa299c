"""What the author of a script chooses by editing it, and the same script with other choices.

Scripts of the published handout have no interface: an experiment is a constant that was edited, a line that was
commented out, a function that is called in place of another, an argument or a variable of the environment that code
compares with words. Source is only parsed here, and what can be chosen are words that the source itself has.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from grader.worker.names import PRETRAINED

MOST = 12
WEIGHTS = re.compile(r"weight|pretrain|encoder|checkpoint|ckpt|backbone|init|load|model_?(path|file)", re.IGNORECASE)
# A comment beside an assignment, or right before it, names other values.
QUOTED = re.compile(r"""["'](\w+)["']""")
NEAR = 2
TRUE, FALSE = "True", "False"
# What in a line that was commented out may make another experiment of a run.
EXPERIMENT = re.compile(
    r"load_state_dict|torch\.load|requires_grad|freez|pretrain|encoder|\.load\(|city|oxford", re.IGNORECASE
)


class Site(NamedTuple):
    """Where an expression stands in a tree: a field of a node, at a place if it is a list."""

    owner: Any
    field: str
    place: int | None = None

    @property
    def node(self) -> ast.expr:
        """The expression."""
        value = getattr(self.owner, self.field)
        node: ast.expr = value if self.place is None else value[self.place]
        return node

    def put(self, source: str) -> None:
        """Have another expression stand there."""
        node = ast.copy_location(ast.parse(source, mode="eval").body, self.node)
        ast.fix_missing_locations(node)
        if self.place is None:
            setattr(self.owner, self.field, node)
        else:
            getattr(self.owner, self.field)[self.place] = node


def parsed(source: bytes | str, path: str) -> ast.Module:
    """The syntax tree of a script.

    Raises:
        SyntaxError: it is none.
    """
    tree: ast.Module = compile(source, path, "exec", ast.PyCF_ONLY_AST)  # type: ignore[assignment]
    return tree


def offered(tree: ast.Module, source: str) -> dict[str, Any]:
    """The choices that a script leaves.

    Returns:
        `values`: by the name of what is set, other expressions for it, those of commented-out lines first. `words`: by
        the last part of a name, the strings that it is compared with; what arguments are compared with is below `argv`.
        `calls`: statements that can stand in place of those that train. `lines`: blocks of lines that were commented
        out, as first and last line.
    """
    comments = dict(_comments(source))
    commented = [line for text in comments.values() for line in _statements(text)]
    words = _words(tree)
    values: dict[str, list[str]] = {}
    for name, sites in _sites(tree).items():
        present = sites[0].node
        found = [value for line in commented for target, value in _assigned(line) if target == name]
        if isinstance(present, ast.Constant):
            found += _literals(name, present.value, words)
            near = [
                comments.get(line, "")
                for site in sites
                for line in range(site.node.lineno - NEAR, site.node.lineno + 1)
            ]
            quoted = present.value is None or isinstance(present.value, str)
            found += [repr(word) for text in near if quoted for word in QUOTED.findall(text)]
        others = [value for value in dict.fromkeys(found) if value != ast.unparse(present)]
        if others:
            values[name] = others[:MOST]
    # Where code looks a word up in what it has imported, its docstring tells which words there are.
    names = {each.id for each in ast.walk(tree) if isinstance(each, ast.Name)} | _imported(tree)
    words["(docstring)"] = [word for word in re.findall(r"\w{4,}", ast.get_docstring(tree) or "") if word in names]
    told = {name: [str(word) for word in found][:MOST] for name, found in words.items()}
    return {"values": values, "words": told, "calls": _calls(tree, commented), "lines": _blocks(source)}


def uncommented(source: str, first: int, last: int) -> str:
    """The source with a block of lines no longer commented out."""
    lines = source.splitlines(keepends=True)
    for number in range(first - 1, last):
        lines[number] = re.sub(r"#\s?", "", lines[number], count=1)
    return "".join(lines)


def choose(tree: ast.Module, values: dict[str, str], call: str | None) -> None:
    """Set what is named to other expressions, and call something else, in a tree."""
    sites = _sites(tree)
    for name, value in values.items():
        for site in sites.get(name, ()):
            site.put(value)
    if call is not None:
        for place, line in enumerate(_training_calls(tree)):
            Site(line, "value").put(call if place == 0 else "None")


def taken(node: ast.FunctionDef | ast.ClassDef) -> Iterator[str]:
    """The names of a function's parameters, of those of a class's constructor, or of the fields of a data class."""
    if isinstance(node, ast.ClassDef):
        for line in node.body:
            if isinstance(line, ast.FunctionDef) and line.name == "__init__":
                yield from taken(line)
            if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and node.decorator_list:
                yield line.target.id
    else:
        yield from (each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs))


def dotted(node: ast.expr) -> str | None:
    """`args.dataset` for an attribute of a name, `MODE` for a name, `argv` for arguments, None for anything else."""
    if isinstance(node, ast.Subscript):
        node = node.value
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return "argv" if (node.value.id, node.attr) == ("sys", "argv") else f"{node.value.id}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else None


def _literals(name: str, present: Any, words: dict[str, list[Any]]) -> list[str]:
    """Other values of a literal: what it is compared with, the other truth value, a file for None."""
    found = [repr(word) for word in words.get(name.rpartition(".")[2].rstrip(")").rpartition("(")[2], ())]
    if isinstance(present, bool):
        found.append(FALSE if present else TRUE)
    if present is None and not found and WEIGHTS.search(name):
        found.append(repr(PRETRAINED))
    return found


def _sites(tree: ast.Module) -> dict[str, list[Site]]:
    """Where something is given a name: assignments, and arguments of the script's own functions that train."""
    found: dict[str, list[Site]] = {}
    functions = _functions(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) or (isinstance(node, ast.AnnAssign) and node.value is not None):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if (name := dotted(target)) is not None and not isinstance(target, ast.Subscript):
                    found.setdefault(name, []).append(Site(node, "value"))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in functions:
            names = list(taken(functions[node.func.id]))
            for place, name in enumerate(names[: len(node.args)]):
                found.setdefault(f"{node.func.id}({name})", []).append(Site(node, "args", place))
            for keyword in node.keywords:
                found.setdefault(f"{node.func.id}({keyword.arg})", []).append(Site(keyword, "value"))
    return found


def _words(tree: ast.Module) -> dict[str, list[Any]]:
    """By the last part of a name, the literals that it is compared with, begins with, or looks up in a table."""
    found: dict[str, list[Any]] = {}
    tables = {
        target.id: [key.value for key in node.value.keys if isinstance(key, ast.Constant)]
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        for subject, values in _told_apart(node, tables):
            if (name := dotted(subject)) is not None:
                known = found.setdefault(name.rpartition(".")[2], [])
                known += [each for each in values if isinstance(each, (str, int)) and each not in known]
    for name in _from_arguments(tree):
        known = found.setdefault("argv", [])
        known += [each for each in found.get(name, ()) if each not in known]
    return found


def _imported(tree: ast.Module) -> set[str]:
    return {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}


def _from_arguments(tree: ast.Module) -> Iterator[str]:
    """Names of what is set to an argument of the command line, or called with one."""
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and _speaks_of_arguments(node.value):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        if isinstance(node, (ast.For, ast.comprehension)) and _speaks_of_arguments(node.iter):
            yield from (each.id for each in ast.walk(node.target) if isinstance(each, ast.Name))
        called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and functions.get(node.func.id)
        if isinstance(node, ast.Call) and called and any(map(_speaks_of_arguments, node.args)):
            yield from taken(called)


def _speaks_of_arguments(node: ast.AST) -> bool:
    return any(isinstance(each, ast.Attribute) and dotted(each) == "argv" for each in ast.walk(node))


def _told_apart(node: ast.AST, tables: dict[str, list[Any]]) -> Iterator[tuple[ast.expr, list[Any]]]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        sides = (node.left, node.comparators[0])
        for subject, other in (sides, sides[::-1]):
            yield subject, [each.value for each in ast.walk(other) if isinstance(each, ast.Constant)]
            if isinstance(other, ast.Name) and other.id in tables:
                yield subject, tables[other.id]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("startswith", "get"):
        yield node.func.value, [each.value for each in node.args if isinstance(each, ast.Constant)]
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in tables:
        yield node.slice, tables[node.value.id]
    if isinstance(node, ast.Match):
        cases = [each.value for case in node.cases for each in ast.walk(case.pattern) if isinstance(each, ast.Constant)]
        yield node.subject, cases


def _comments(source: str) -> Iterator[tuple[int, str]]:
    """The comments, by line."""
    with suppress(tokenize.TokenError, SyntaxError, IndentationError):
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string.lstrip("# ")


def _blocks(source: str) -> list[list[int]]:
    """Blocks of commented-out lines that are code again without the sign, and may make another experiment."""
    lines = source.splitlines()
    numbers = [number for number, line in enumerate(lines, 1) if line.lstrip().startswith("#")]
    blocks: list[list[int]] = []
    for number in numbers:
        if blocks and blocks[-1][1] == number - 1:
            blocks[-1][1] = number
        else:
            blocks.append([number, number])
    found = []
    for first, last in blocks:
        text = "\n".join(lines[first - 1 : last])
        if EXPERIMENT.search(text):
            with suppress(SyntaxError, ValueError):
                ast.parse(uncommented(source, first, last))
                found.append([first, last])
    return found[:MOST]


def _statements(comment: str) -> list[ast.stmt]:
    """A comment as the statements that it was, none if it is prose."""
    try:
        return ast.parse(comment).body
    except (SyntaxError, ValueError):
        return []


def _assigned(line: ast.stmt) -> Iterator[tuple[str, str]]:
    if isinstance(line, ast.Assign):
        for target in line.targets:
            if (name := dotted(target)) is not None:
                yield name, ast.unparse(line.value)


def _functions(tree: ast.Module) -> dict[str, ast.FunctionDef]:
    """The script's own functions that train: they make a trainer, or call something that is called train."""
    return {
        node.name: node
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and any(
            (isinstance(each, ast.Attribute) and each.attr in ("train", "fit"))
            or (isinstance(each, ast.Name) and "Trainer" in each.id)
            for each in ast.walk(node)
        )
    }


def _training_calls(tree: ast.Module) -> list[ast.Expr]:
    """Statements that call one of them, outside of them, with what stands in the script as it is."""
    functions = _functions(tree)
    outside = [node for node in tree.body if getattr(node, "name", None) not in functions]
    return [
        each for node in outside for each in ast.walk(node) if isinstance(each, ast.Expr) and _called(each) in functions
    ]


def _called(line: ast.stmt) -> str | None:
    """The function that a statement calls, with names and literals for arguments."""
    call = line.value if isinstance(line, ast.Expr) else None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or len(call.args) > NEAR:
        return None
    return call.func.id if all(isinstance(each, (ast.Name, ast.Constant)) for each in call.args) else None


def _calls(tree: ast.Module, commented: list[ast.stmt]) -> list[str]:
    """What can be called in place of the calls that train: those of comments, each alone, functions never called."""
    functions, calls = _functions(tree), _training_calls(tree)
    lines = [ast.unparse(line) for line in commented if _called(line) in functions]
    present = [ast.unparse(each) for each in calls]
    first = calls[0].value if calls else None
    called = {_called(each) for each in calls}
    if isinstance(first, ast.Call):
        given = ast.unparse(first).partition("(")[2]
        lines += [f"{name}({given}" for name, node in functions.items() if name not in called and _fits(node, first)]
    alone = present if len(present) > 1 else []
    return [line for line in dict.fromkeys([*lines, *alone]) if present != [line]][:MOST]


def _fits(function: ast.FunctionDef, call: ast.Call) -> bool:
    """Whether a function can be called with as many arguments."""
    needed = len(function.args.args) - len(function.args.defaults)
    return needed <= len(call.args) <= len(function.args.args) and not call.keywords
