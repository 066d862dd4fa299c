"""Make the starter that students get: the reference solution with its solution regions cut.

A region that students write themselves stands in a file of `reference/` as

    # SOLUTION-BEGIN Part 5: Block.forward
    # The instruction, in any number of comment lines: what to compute, shapes, where in the paper.
    x = the + solution
    # SOLUTION-END

and becomes, in the same file of `student/`,

    # TODO Part 5: Block.forward
    # The instruction, in any number of comment lines: what to compute, shapes, where in the paper.
    raise NotImplementedError("Part 5: Block.forward is yours to write")

- The title begins with its part, so that the traceback of an open task says where in the handout to look.
- The instruction is the unbroken run of comment lines below SOLUTION-BEGIN. A blank line ends it: comments
  of the solution come after one, and are cut with the code.
- Where an exception does not fit, lines `# STARTER code` in the region give the code that takes its place,
  indented as the marker is (`# STARTER     code` with more blanks for a deeper line).
- Regions do not nest. A line that holds one of the marker words in any other form is an error, not a comment.
"""

import io
import re
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

NOT_IN_STARTER = frozenset({"report.pdf"})  # the hand-in's report: what students write from nothing

_BEGIN = re.compile(r" *# SOLUTION-BEGIN (?P<part>Part \d+): (?P<title>[^\s\"\\][^\"\\]*)")
_END = re.compile(r" *# SOLUTION-END")
_STARTER = re.compile(r" *# STARTER (?P<code>.*)")
_MARKER_WORD = re.compile(r"SOLUTION-|# ?STARTER\b")


class Region(NamedTuple):
    """What students write in one place: its part and title, and the lines between its markers, counted from 0."""

    part: str
    title: str
    lines: range


def regions(text: str) -> list[Region]:
    """Return the solution regions of a reference file's text, in its order.

    Raises:
        ValueError: a marker is malformed, nested, unbalanced or outside a region; the message names the line.
    """
    found: list[Region] = []
    opened: re.Match[str] | None = None
    opened_at = 0
    for number, line in enumerate(_lines(text), start=1):
        if begin := _BEGIN.fullmatch(line):
            if opened:
                raise ValueError(f"line {number}: SOLUTION-BEGIN inside the region of line {opened_at}")
            opened, opened_at = begin, number
        elif _END.fullmatch(line):
            if not opened:
                raise ValueError(f"line {number}: SOLUTION-END without a SOLUTION-BEGIN above it")
            found.append(Region(opened["part"], opened["title"].rstrip(), range(opened_at, number - 1)))
            opened = None
        elif _MARKER_WORD.search(line) and not (opened and _STARTER.fullmatch(line)):
            raise ValueError(f"line {number}: not a marker that the starter tool knows: {line.strip()!r}")
    if opened:
        raise ValueError(f"line {opened_at}: SOLUTION-BEGIN without a SOLUTION-END below it")
    return found


def cut(text: str) -> str:
    """Return the starter's form of a reference file's text, with LF line ends.

    Raises:
        ValueError: as `regions` does.
    """
    lines, kept, done = _lines(text), list[str](), 0
    for region in regions(text):
        begin = lines[region.lines.start - 1]
        indent = begin[: len(begin) - len(begin.lstrip())]
        kept += lines[done : region.lines.start - 1]
        kept += _task(f"{region.part}: {region.title}", indent, lines[region.lines.start : region.lines.stop])
        done = region.lines.stop + 1
    return "".join(f"{line}\n" for line in kept + lines[done:])


def handed_in(text: str) -> str:
    """Return a reference file's text as a group would hand it in: without markers and their instructions."""
    begin = r"^ *# SOLUTION-BEGIN .*\n(?: *#.*\n)*\n"
    return re.sub(r"^ *# SOLUTION-END\n", "", re.sub(begin, "", text, flags=re.MULTILINE), flags=re.MULTILINE)


def _lines(text: str) -> list[str]:
    return [line.removesuffix("\n") for line in io.StringIO(text, newline=None)]


def differences(reference: Path, student: Path) -> list[str]:
    """Say, a line each, where the folder `student` is not the starter of `reference`; empty where it is."""
    starter = _starter_files(reference)
    found = [f"{name}: not in {reference.name}/" for name in _stale(starter, student)]
    for name, content in starter.items():
        path = student / name
        if not path.is_file():
            found.append(f"{name}: missing")
        elif path.read_bytes() != content:
            line = _first_difference(content, path.read_bytes())
            found.append(f"{name}: differs from the cut reference in line {line}")
    return sorted(found)


def make_starter(reference: Path, out: Path) -> list[str]:
    """Bring the folder `out` to the starter of `reference` and return what differed before.

    Python files that are no longer in the reference are removed. Other extra files stay: data, weights and
    curves of someone's trainings may lie there.

    Raises:
        ValueError: a file's markers are wrong, `reference` is no solution, or a folder contains the other.
    """
    source, target = reference.resolve(), out.resolve()
    if source.is_relative_to(target) or target.is_relative_to(source):
        raise ValueError(f"the starter needs a folder beside the reference, found {out} for {reference}")
    starter = _starter_files(reference)
    changes = differences(reference, out)
    for name in _stale(starter, out):
        (out / name).unlink()
    for name, content in starter.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return changes


def _task(title: str, indent: str, region: list[str]) -> list[str]:
    """Return the open task that takes the place of a region's lines, at the indentation of its markers."""
    task = [f"{indent}# TODO {title}"]
    for line in region:
        if not line.lstrip().startswith("#") or _STARTER.fullmatch(line):
            break
        task.append(line)
    replacement = [match["code"] for line in region if (match := _STARTER.fullmatch(line))]
    if not replacement:
        replacement = [f'raise NotImplementedError("{title} is yours to write")']
    return task + [f"{indent}{code}" for code in replacement]


def _starter_files(reference: Path) -> dict[str, bytes]:
    """Return the starter's content by its path with forward slashes, relative to the starter's folder."""
    if not (reference / "dlvc").is_dir():
        raise ValueError(f"{reference}: expected the reference solution, found no folder dlvc in it")
    files = {}
    for name, path in _files(reference):
        if path.suffix != ".py":
            files[name] = path.read_bytes()
            continue
        try:
            files[name] = cut(path.read_text(encoding="utf-8")).encode()
        except ValueError as fault:
            raise ValueError(f"{path}: {fault}") from None
    return files


def _stale(starter: dict[str, bytes], out: Path) -> list[str]:
    return [name for name, path in _files(out) if path.suffix == ".py" and name not in starter]


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the sorted files of a folder that a starter may hold: no caches, nothing hidden, no report."""
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if any(part == "__pycache__" or part.startswith(".") for part in relative.parts):
            continue
        if path.is_file() and relative.as_posix() not in NOT_IN_STARTER:
            yield relative.as_posix(), path


def _first_difference(expected: bytes, found: bytes) -> int:
    """Return the number, from 1, of the first line that is not the same; one text may end before it."""
    pairs = zip_longest(expected.split(b"\n"), found.split(b"\n"))
    return next(number for number, (a, b) in enumerate(pairs, start=1) if a != b)
