"""Lets code go on importing its package by the name that it had before it was placed as `dlvc`."""

import keyword
from pathlib import Path

from grader.intake.imports import names_imported
from grader.intake.layout import PACKAGE, Layout
from grader.intake.listing import basename
from grader.intake.names import quoted
from grader.intake.writing import FILE_MODE, make_folders

# Where the solution is in this repository: no author's folder, and whoever imports it is not to find his own instead.
NOBODYS = ("reference",)


def write_aliases(layout: Layout, source: Path, tree: Path) -> None:
    """Let code go on importing the package, or the folders that held it, by the names they had."""
    imported = names_imported(tree)
    holder = basename(layout.root) or (source.name if source.is_dir() else "")
    aliases: dict[str, list[tuple[str, str]]] = {}
    names = [(basename(layout.package), PACKAGE), (holder, "")]
    for old, new in [*names, *((old, PACKAGE) for old in _repository_names(layout, holder, tree, imported))]:
        inside = {path.name.partition(".")[0] for path in (tree / new).iterdir()}
        usable = all(word.isidentifier() and not keyword.iskeyword(word) for word in old.split("."))
        top = old.partition(".")[0]
        taken = (tree / top).exists() or (tree / f"{top}.py").exists()
        if usable and not taken and any(f"{old}.{name}" in imported for name in inside):
            aliases.setdefault(top, []).append((old, new))
    code = Path(__file__).with_name("template_alias.py").read_text(encoding="utf-8")
    for top, olds in aliases.items():
        make_folders(tree / top, tree)
        path = tree / top / "__init__.py"
        path.write_text(f"{code}\n\n" + "".join(f"install({old!r}, {new!r})\n" for old, new in olds), encoding="utf-8")
        path.chmod(FILE_MODE)
        for old, _ in olds:
            layout.note(f"Imports of {quoted(old)} were made to lead to the graded modules.", layout.package)


def _repository_names(layout: Layout, holder: str, tree: Path, imported: set[str]) -> list[str]:
    """The package by its path in the author's repository, such as `assignments.assignment_2.dlvc`."""
    inside = {path.name.partition(".")[0] for path in (tree / PACKAGE).iterdir()}
    found = set()
    for name in imported:
        words = name.split(".")
        for place in range(1, len(words) - 1):
            called = words[place] in (PACKAGE, basename(layout.package)) and words[place + 1] in inside
            if called and words[0] not in (holder, *NOBODYS):
                found.add(".".join(words[: place + 1]))
    return sorted(found)
