"""Mutants of what students write: one small change each in a solution region, by the operators of two known tools.

mutmut takes arguments, values and keywords away; cosmic-ray puts every other operator, number and loop in place. What
both make counts once. Their runners are not used: they would start pytest and import torch for each mutant.
"""

import ast
import difflib
import itertools
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import libcst
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names
from libcst.metadata import MetadataWrapper
from mutmut.mutation.file_mutation import MutationVisitor, deep_replace
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import IgnoredCode

from grader.starter import regions

HEAD, INDENT = "def region():\n", "    "
# Operators that have to be told what to put in; without that they put in nothing.
WITH_ARGUMENTS = ("VariableInserter", "VariableReplacer")


@dataclass(frozen=True)
class Mutant:
    """A file of the solution with one change.

    Args:
        file: its path in the solution.
        region: the title of the region that was changed.
        original: the solution's text of the file.
        text: the changed one.
    """

    file: str
    region: str
    original: str
    text: str

    @property
    def before(self) -> str:
        """The changed lines as they are in the solution, without indentation."""
        return self._sides[0]

    @property
    def after(self) -> str:
        """What stands in their place."""
        return self._sides[1]

    @cached_property
    def _sides(self) -> tuple[str, str]:
        old, new = self.original.splitlines(), self.text.splitlines()
        spans = difflib.SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes()
        changed = [span for span in spans if span[0] != "equal"]
        (_, first, _, first_new, _), (_, _, last, _, last_new) = changed[0], changed[-1]
        return _stripped(old[first:last]), _stripped(new[first_new:last_new])

    def diff(self) -> str:
        """What was changed, for a reader."""
        sides = (self.original.splitlines(), self.text.splitlines())
        return "\n".join(difflib.unified_diff(*sides, self.file, f"{self.file} of the mutant", n=1, lineterm=""))


def _stripped(lines: list[str]) -> str:
    return "\n".join(line.strip() for line in lines)


def mutants_of(file: str, text: str) -> list[Mutant]:
    """All mutants of a file's regions that are other programs than the solution and than each other.

    Args:
        file: its path in the solution.
        text: what is in it.
    """
    lines = text.splitlines(keepends=True)
    made = []
    for region in regions(text):
        own = lines[region.lines.start : region.lines.stop]
        before, after = lines[: region.lines.start], lines[region.lines.stop :]
        indent = after[0][: -len(after[0].lstrip())]
        for mutated in _mutated(textwrap.dedent("".join(own))):
            whole = "".join([*before, textwrap.indent(mutated, indent), *after])
            made.append(Mutant(file, region.title, text, whole))
    return made


def _mutated(code: str) -> Iterator[str]:
    """Each mutant of some statements once; both tools see them in a function of their own, and nothing around it."""
    function = HEAD + textwrap.indent(code, INDENT)
    seen = {ast.dump(ast.parse(function))}
    for mutated in (*_by_mutmut(function), *_by_cosmic_ray(function)):
        program = _program(mutated)
        if program is not None and program not in seen:
            seen.add(program)
            yield textwrap.dedent(mutated.removeprefix(HEAD))


def _program(text: str) -> str | None:
    """What tells two programs apart, whatever their layout; None of what is no program."""
    try:
        return ast.dump(ast.parse(text))
    except SyntaxError:
        return None


def _by_mutmut(text: str) -> Iterator[str]:
    visitor = MutationVisitor(mutation_operators, IgnoredCode(set(), set(), set()))
    module = MetadataWrapper(libcst.parse_module(text)).visit(visitor)
    for mutation in visitor.mutations:
        yield deep_replace(module, mutation.original_node, mutation.mutated_node).code


def _by_cosmic_ray(text: str) -> Iterator[str]:
    for name in operator_names():
        if not name.endswith(WITH_ARGUMENTS):
            made = (mutate_code(text, get_operator(name)(), occurrence) for occurrence in itertools.count())
            yield from itertools.takewhile(lambda one: one is not None, made)
