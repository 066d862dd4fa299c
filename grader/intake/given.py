"""Files that a course gives to its students: where one is missing that the hand-in imports, it is put there.

What was given is nobody's work, so its absence costs the item of the hand-in at most. It stays the grader's own: a
hand-in's list of files does not name it.
"""

import re
import shutil
from pathlib import Path
from typing import Final

from grader.files import REFERENCE
from grader.intake.imports import sources
from grader.intake.layout import PACKAGE
from grader.intake.writing import FILE_MODE, make_folders

# By path in the package: the file that is put there. The logger is one that logs nothing, since nobody reads it here.
LOGGER: Final = Path(__file__).with_name("template_wandb_logger.py")
DATASET: Final = REFERENCE / PACKAGE / "dataset"
GIVEN: Final = {
    "wandb_logger.py": LOGGER,
    "dataset/oxfordpets.py": DATASET / "oxfordpets.py",
    "dataset/cityscapes.py": DATASET / "cityscapes.py",
}


def supply(tree: Path) -> list[str]:
    """Put given files that are missing, and imported, into a tree; their paths in the package.

    Raises:
        OSError: the tree cannot be written.
    """
    supplied = []
    for name, source in GIVEN.items():
        target = tree / PACKAGE / _where_imported(name, tree)
        if not _there(target, tree) and not _in_the_way(target, tree) and _imported(Path(name).stem, tree):
            make_folders(target.parent, tree)
            shutil.copyfile(source, target)
            target.chmod(FILE_MODE)
            supplied.append(target.relative_to(tree / PACKAGE).as_posix())
    return supplied


def _where_imported(name: str, tree: Path) -> str:
    """The path in the package by which a module is imported: its folder may have another name than the starter's."""
    folder, _, module = name.rpartition("/")
    found = re.compile(rf"^[ \t]*(?:from|import)[ \t]+[\w.]*\.(\w+)\.{Path(module).stem}\b", re.MULTILINE)
    names = [match[1] for text in sources(tree) for match in found.finditer(text)]
    return f"{names[0]}/{module}" if folder and names and folder not in names else name


def _there(target: Path, tree: Path) -> bool:
    """Whether the hand-in has a file of this name, wherever it may lie."""
    return any(True for _ in tree.rglob(target.name))


def _in_the_way(target: Path, tree: Path) -> bool:
    """Whether something else has the name of a folder that the file needs."""
    return any(folder.exists() and not folder.is_dir() for folder in target.parents if folder != tree)


def _imported(module: str, tree: Path) -> bool:
    """Whether a line of the hand-in imports a module of this name; hostile source is never parsed."""
    line = re.compile(rf"^[ \t]*(from|import)\b[^\n#]*\b{module}\b", re.MULTILINE)
    return any(line.search(text) for text in sources(tree))
