"""Where the hand-in lies within what was sent, and where each file goes in the clean tree."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from grader.errors import SubmissionRejected
from grader.intake.listing import AGAIN, File, basename, joined, parent
from grader.intake.magic import zipped_type
from grader.intake.names import escaped, quoted
from grader.intake.sift import Reason, Sifted
from grader.records import Note

PACKAGE = "dlvc"
MODULES = {"metrics.py", "trainer.py"}
FOLDERS = {"models": "models", "dataset": "dataset", "datasets": "dataset"}
SCRIPTS = ("train.py", "train_segformer.py")
REPORT = "report.pdf"
EXPECTED = (
    "Expected is one folder dlvc/ with metrics.py, trainer.py, models/ and dataset/, and beside it train.py, "
    "train_segformer.py and report.pdf."
)
SHOWN = 10


@dataclass
class Layout:
    """The plan of the clean tree.

    Args:
        package: the folder that is graded as `dlvc`, `` for the top.
        tree: each path in the tree and the file that goes there.
        notes: what was moved.
    """

    package: str
    tree: dict[str, File] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)

    @property
    def root(self) -> str:
        """The folder that holds the package."""
        return parent(self.package)

    def note(self, message: str, path: str) -> None:
        """Tell what was done with `path`."""
        self.notes.append(Note(message=message, path=escaped(path) or "."))


def arrange(sifted: Sifted) -> Layout:
    """Find the package and plan the tree around it; what lies outside goes to `sifted`'s left-out files.

    Raises:
        SubmissionRejected: there is no package, or more than one.
    """
    layout = _locate(sifted)
    if basename(layout.package) != PACKAGE:
        layout.note(f"The package is not called {PACKAGE}; it was graded as if it were.", layout.package)
    if layout.root.count("/") >= 1:
        layout.note("The hand-in lies in more than one wrapper folder; they were taken off.", layout.root)
    outside = []
    for path, file in sifted.kept.items():
        target = _target(path, layout)
        if target is None:
            outside.append(path)
        elif target in layout.tree:
            raise _ask([layout.package, joined(layout.root, PACKAGE)])
        else:
            layout.tree[target] = file
    _refuse_merging(layout)
    placed = {_place_report(layout, sifted.kept.values())}
    placed |= {_place_script(name, layout, sifted.kept.values()) for name in SCRIPTS}
    for path in outside:
        if path not in placed:
            sifted.leave_out(Reason.OUTSIDE, path)
    return layout


def _locate(sifted: Sifted) -> Layout:
    marks = _marks(sifted.kept)
    found = {path for path, marked in marks.items() if len(marked) >= 2}
    if len(found) > 1:
        found = {path for path in found if marks[path] & MODULES} or found
    if not found:
        found = {path for path in marks if basename(path).lower() == PACKAGE}
    if not found:
        raise _no_package(sifted)
    outer = {path for path in found if not any(_within(path, other) for other in found)}
    graded = {_named_within(path, found) for path in outer}
    if len(graded) > 1 or len(doubles := [path for path in found if _is_named(path)]) > 1:
        raise _ask(found if len(graded) > 1 else doubles)
    layout = Layout(graded.pop())
    for path in sorted(found - {layout.package}):
        layout.note("This folder looks like the package too; another one was graded as dlvc.", path)
    return layout


def _marks(paths: Iterable[str]) -> dict[str, set[str]]:
    """For each folder, what it directly holds of the package; an empty `models` folder is none."""
    marks: dict[str, set[str]] = defaultdict(set)
    for path in paths:
        folder, name = parent(path), basename(path)
        if name in MODULES:
            marks[folder].add(name)
        if name.endswith(".py") and basename(folder) in FOLDERS:
            marks[parent(folder)].add(FOLDERS[basename(folder)])
    return marks


def _within(path: str, folder: str) -> bool:
    return path != folder and (not folder or path.startswith(f"{folder}/"))


def _is_named(path: str) -> bool:
    return basename(path) == PACKAGE


def _named_within(path: str, found: Collection[str]) -> str:
    """Of nested candidates the outermost, unless one inside has the right name and it has not."""
    inside = [other for other in found if _within(other, path) and _is_named(other)]
    return inside[0] if inside and not _is_named(path) else path


def _target(path: str, layout: Layout) -> str | None:
    """Where a file goes in the tree, None for those outside of the hand-in."""
    if _within(path, layout.package):
        inner = path[len(layout.package) + 1 :] if layout.package else path
        return f"{PACKAGE}/{inner}"
    if layout.package and _within(path, layout.root):
        return path[len(layout.root) + 1 :] if layout.root else path
    return None


def _refuse_merging(layout: Layout) -> None:
    """A second folder beside the renamed package must not mix with it only because it has the right name."""
    mixed = {file.path for target, file in layout.tree.items() if target.startswith(f"{PACKAGE}/")}
    if not all(_within(path, layout.package) for path in mixed) or PACKAGE in layout.tree:
        raise _ask([layout.package, joined(layout.root, PACKAGE)])


def _place_report(layout: Layout, files: Iterable[File]) -> str | None:
    """Put the one PDF that may be the report where it belongs, and return where it came from."""
    if REPORT in layout.tree:
        return None
    pdfs = [file for file in files if file.path.lower().endswith(".pdf")]
    named = [file for file in pdfs if basename(file.path).lower() == REPORT]
    alike = [file for file in pdfs if "report" in basename(file.path).lower()]
    found = named or alike or [file for file in pdfs if _is_above(file.path, layout)]
    if len(found) > 1:
        layout.note(f"No {REPORT}, but {len(found)} PDFs that may be it; none was taken.", found[0].path)
    if len(found) != 1:
        return None
    layout.tree = {target: file for target, file in layout.tree.items() if file is not found[0]}
    layout.tree[REPORT] = found[0]
    layout.note(f"Taken as {REPORT}.", found[0].path)
    return found[0].path


def _is_above(path: str, layout: Layout) -> bool:
    """Whether a file lies beside the package or further up."""
    folder = parent(path)
    return folder == layout.root or _within(layout.root, folder)


def _place_script(name: str, layout: Layout, files: Iterable[File]) -> str | None:
    """Put a script that lies elsewhere beside the package, too, and return where it came from."""
    if name in layout.tree:
        return None
    found = [file for file in files if basename(file.path).lower() == name]
    if len(found) != 1:
        return None
    layout.tree[name] = found[0]
    layout.note(f"Taken as {name} beside {PACKAGE}.", found[0].path)
    return found[0].path


def _no_package(sifted: Sifted) -> SubmissionRejected:
    kind = zipped_type(set(sifted.kept))
    if kind:
        return SubmissionRejected(f"This is not a zip of a hand-in but {kind}.", AGAIN)
    archives = sifted.left_out.get(Reason.ARCHIVE)
    if archives and not any(path.endswith(".py") for path in sifted.kept):
        problem = f"There is no package dlvc but another archive inside: {quoted(min(archives))}."
        return SubmissionRejected(problem, "Unpack it, then: " + AGAIN)
    here = sorted(sifted.kept, key=lambda path: (path.count("/"), path))
    away = [f"{path} (left out)" for reason, paths in sifted.left_out.items() for path in sorted(paths)]
    return SubmissionRejected(f"There is no package dlvc. What there is: {_some([*here, *away])}.", EXPECTED)


def _some(paths: list[str]) -> str:
    listed = ", ".join(quoted(path) for path in paths[:SHOWN])
    return f"{listed} and {len(paths) - SHOWN:,} more" if len(paths) > SHOWN else listed or "nothing"


def _ask(folders: Iterable[str]) -> SubmissionRejected:
    listed = _some(sorted(folder or "the top folder" for folder in folders))
    problem = f"More than one folder may be the package dlvc: {listed}."
    return SubmissionRejected(problem, "Hand in only the one to be graded, named dlvc.")
