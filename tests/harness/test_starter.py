"""The starter: the cut of solution regions, the folder student/, and its open tasks."""

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from grader.starter import cut, differences, make_starter
from tests.harness.handin import REFERENCE, STUDENT, on_path
from tests.harness.tensors import images

REGION = re.compile(r"^ *# SOLUTION-BEGIN (?P<title>.*)\n(?P<body>(?:.*\n)*?) *# SOLUTION-END\n", re.MULTILINE)

SOLVED = '''\
def double(x):
    """Return 2 x."""
    # SOLUTION-BEGIN Part 2: double
    # Twice as much.
    #   Mind the type.

    # Faster than addition, as measured.
    y = 2 * x
    # SOLUTION-END
    return y
'''
OPEN = '''\
def double(x):
    """Return 2 x."""
    # TODO Part 2: double
    # Twice as much.
    #   Mind the type.
    raise NotImplementedError("Part 2: double is yours to write")
    return y
'''


def regions() -> list[tuple[str, str, str]]:
    """List file, title and body of every solution region of the reference."""
    return [
        (path.relative_to(REFERENCE).as_posix(), match["title"], match["body"])
        for path in sorted(REFERENCE.rglob("*.py"))
        for match in REGION.finditer(path.read_text(encoding="utf-8"))
    ]


def test_student_is_the_cut_reference():
    """student/ is what the tool makes of reference/, file by file."""
    assert differences(REFERENCE, STUDENT) == []


def test_cut_keeps_the_instruction_and_removes_the_solution():
    """The instruction stays under its title, and an exception that names the task replaces the code."""
    assert cut(SOLVED) == OPEN
    assert cut(OPEN) == OPEN


def test_cut_ends_lines_with_lf():
    """Line ends of any system become LF, also at the end of the text."""
    assert cut(SOLVED.replace("\n", "\r\n")) == OPEN
    assert cut("a = 1") == "a = 1\n"
    assert cut("") == ""


def test_cut_takes_starter_lines_in_place_of_the_exception():
    """STARTER lines replace the exception, indented as the marker and by what they say themselves."""
    text = "if x:\n    # SOLUTION-BEGIN Part 3: loop\n    # Say.\n    # STARTER for y in x:\n"
    text += "    # STARTER     pass\n    go(x)\n    # SOLUTION-END\n"
    assert cut(text) == "if x:\n    # TODO Part 3: loop\n    # Say.\n    for y in x:\n        pass\n"


BEGIN, END = "# SOLUTION-BEGIN Part 2: x\n", "# SOLUTION-END\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n" + BEGIN + "pass\n", "line 2: SOLUTION-BEGIN without a SOLUTION-END below it"),
        ("\n\n" + END, "line 3: SOLUTION-END without a SOLUTION-BEGIN above it"),
        (BEGIN + END + END, "line 3: SOLUTION-END without"),
        (BEGIN + BEGIN + END + END, "line 2: SOLUTION-BEGIN inside the region of line 1"),
        (BEGIN + "pass\n" + "# SOLUTION_END\n", "line 1: SOLUTION-BEGIN without"),
        (BEGIN + "pass\n" + "#SOLUTION-END\n", "line 3: not a marker .* '#SOLUTION-END'"),
        ("x = 1  # SOLUTION-BEGIN Part 2: x\n" + END, "line 1: not a marker"),
        ("# SOLUTION-BEGIN\n" + END, "line 1: not a marker"),
        ("# SOLUTION-BEGIN Block.forward\n" + END, "line 1: not a marker"),
        ('# SOLUTION-BEGIN Part 2: "x"\n' + END, "line 1: not a marker"),
        ("# STARTER pass\n", "line 1: not a marker"),
    ],
)
def test_cut_refuses_wrong_markers(text, message):
    """A marker that is malformed, nested or unbalanced is a ValueError that names the line."""
    with pytest.raises(ValueError, match=message):
        cut(text)


@pytest.fixture
def solution(tmp_path) -> Path:
    """Make a small solution, with what a working folder holds beside it."""
    folder = tmp_path / "solution"
    files = {
        "train.py": SOLVED,
        "dlvc/__init__.py": "",
        "dlvc/names.txt": "cat\r\n",
        "report.pdf": "%PDF",
        "dlvc/__pycache__/__init__.pyc": "cache",
        ".cache/x.py": "cache",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_starter_has_the_solutions_files(solution, tmp_path):
    """Sources are cut, other files copied byte by byte, and report, caches and hidden files left out."""
    out = tmp_path / "deep" / "starter"
    assert make_starter(solution, out) == [
        "dlvc/__init__.py: missing",
        "dlvc/names.txt: missing",
        "train.py: missing",
    ]
    expected = {"train.py": OPEN.encode(), "dlvc/__init__.py": b"", "dlvc/names.txt": b"cat\r\n"}
    assert contents(out) == expected
    assert make_starter(solution, out) == []
    assert contents(out) == expected


def test_starter_is_brought_up_to_date(solution, tmp_path):
    """Changed files are written anew, stale sources removed, and a training's other files stay."""
    out = tmp_path / "starter"
    make_starter(solution, out)
    (out / "train.py").write_text(OPEN + "x = 1\n")
    (out / "dlvc" / "old.py").write_text("")
    (out / "model.pth").write_text("weights")
    found = ["dlvc/old.py: not in solution/", "train.py: differs from the cut reference in line 8"]
    assert differences(solution, out) == found
    assert make_starter(solution, out) == found
    assert sorted(contents(out)) == ["dlvc/__init__.py", "dlvc/names.txt", "model.pth", "train.py"]
    assert differences(solution, out) == []


def test_wrong_markers_are_reported_with_their_file(solution, tmp_path):
    """A marker error names file and line, and nothing is written."""
    (solution / "dlvc" / "__init__.py").write_text(BEGIN)
    with pytest.raises(ValueError, match=r"dlvc.__init__.py: line 1: SOLUTION-BEGIN without"):
        make_starter(solution, tmp_path / "starter")
    assert not (tmp_path / "starter").exists()


def test_folders_that_would_be_overwritten_are_refused(solution, tmp_path):
    """A starter goes neither into its reference nor around it, and comes from nothing but a solution."""
    for out in (solution, solution / "starter", tmp_path):
        with pytest.raises(ValueError, match="a folder beside the reference"):
            make_starter(solution, out)
    with pytest.raises(ValueError, match="found no folder dlvc"):
        make_starter(tmp_path / "nowhere", tmp_path / "starter")


def test_every_part_with_code_has_a_task():
    """The tasks of Parts 2 to 6 are open, with an instruction each and none of their text in an exception."""
    titles = [title for _, title, _ in regions()]
    assert {title.split(":")[0] for title in titles} == {f"Part {part}" for part in (2, 3, 4, 5, 6)}
    assert len(set(titles)) == len(titles)
    for file, title, body in regions():
        assert body.lstrip().startswith("# "), f"{file}, {title}: no instruction"
        assert "\n\n" in body, f"{file}, {title}: no blank line below the instruction"


def test_no_solution_line_remains():
    """A line of a solution stands in the starter only as often as outside the regions, and no marker does."""
    for file, title, body in regions():
        given = REGION.sub("", (REFERENCE / file).read_text(encoding="utf-8"))
        starter = (STUDENT / file).read_text(encoding="utf-8")
        assert "SOLUTION" not in starter
        for line in body.split("\n\n", 1)[1].splitlines():
            found = starter.splitlines().count(line)
            assert not line or found == given.splitlines().count(line), f"{file}, {title}: {line}"


@pytest.fixture(scope="module")
def imported() -> Iterator[Callable[[str], ModuleType]]:
    """Import modules of the starter."""
    with on_path(STUDENT) as import_module:
        yield import_module


def module_name(file: str) -> str:
    """Return a hand-in's module by its file."""
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@pytest.mark.parametrize("file", sorted(path.relative_to(STUDENT).as_posix() for path in STUDENT.rglob("*.py")))
def test_starter_imports(imported, file):
    """Every module of the starter can be imported before any task is solved."""
    imported(module_name(file))


def head_and_maps(module: ModuleType) -> tuple[object, object]:
    """Return arguments of SegFormerHead.forward, whose task is not its first line."""
    head = module.SegFormerHead((2, 4, 8, 16), (1, 1, 1, 1), (0, 1, 2, 3), {"embed_dim": 4}, num_classes=2)
    return head, [images(1, 1, 4, 4)] * 4


@pytest.mark.parametrize(("file", "title"), [region[:2] for region in regions()])
def test_open_task_says_what_to_write(imported, file, title):
    """Running an open task raises NotImplementedError with its title, and nothing fails before it."""
    module = imported(module_name(file))
    *owner, name = title.split()[-1].split(".")
    scope = getattr(module, owner[0]) if owner else module
    function = getattr(scope, name)
    if title.endswith("SegFormerHead.forward"):
        arguments = head_and_maps(module)
    else:
        required = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]
        arguments = [scope.__new__(scope) if p.name == "self" else None for p in required]
    with pytest.raises(NotImplementedError, match=re.escape(title)):
        function(*arguments)
