"""What of a hand-in is left out, and why.

Nothing that is left out is unpacked (of a small `.pth` file the head is read), so it may be as large, broken or hostile
as it likes. Where a name alone cannot tell, code decides: a folder named like a data set but with Python files in it
stays.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum

from grader.errors import SubmissionRejected
from grader.intake.listing import AGAIN, MIB, Caps, File, Folder, basename
from grader.intake.magic import HEAD_BYTES, is_text
from grader.intake.names import escaped, quoted
from grader.records import Note


class Reason(StrEnum):
    """Why files are left out or changed, in the words of the note."""

    DATA = "Data sets are not part of the hand-in and were left out"
    WEIGHTS = "Weights are not part of the hand-in and were left out"
    STARTUP = "Files that Python or pytest would load on their own were left out"
    VIRTUALENV = "A virtual environment was left out"
    RESULTS = "Results, logs and builds of earlier runs were left out"
    ARCHIVE = "Archives within the hand-in were left out unopened"
    LARGE = "Files over the size limit were left out"
    LINK = "Links and special files were skipped"
    TOOLS = "Hidden files, caches and other traces of tools were left out"
    OUTSIDE = "Files outside the folder that holds the package were left out"
    SEPARATOR = "Windows path separators were read as folders"


TOOL_FOLDERS = {"__MACOSX", "__pycache__", "node_modules", "site-packages", "System Volume Information"}
TOOL_FILES = {"thumbs.db", "ehthumbs.db", "desktop.ini"}
TOOL_SUFFIXES = (".pyc", ".pyo", ".swp", "~", ":Zone.Identifier")
STARTUP_FILES = {"conftest.py", "pytest.ini", "pytest.toml", "tox.ini", "setup.cfg", "pyproject.toml"}
# Under any suffix and as a package: Python imports them by name when it starts.
STARTUP_MODULES = {"sitecustomize", "usercustomize"}
VENV_FOLDERS = {"bin", "include", "lib", "lib64", "scripts", "share", "etc", "conda-meta", "man"}
BUILD_FOLDERS = {"build", "dist"}
RUN_FOLDERS = {"wandb", "mlruns", "lightning_logs", "tb_logs"}
RESULT_FOLDERS = {"results", "logs", "runs", "output", "outputs", "checkpoints", "saved_models", "weights"}
DATA_FOLDER = re.compile(
    r"oxford[-_ ]?(iiit[-_ ]?)?pets?|(leftimg8bit|gtfine|gtcoarse)(_.*)?|cityscapes|trimaps", re.IGNORECASE
)
IMAGE_SUFFIXES = {"jpg", "jpeg", "png", "bmp", "ppm", "pgm", "tif", "tiff", "webp", "gif"}
WEIGHT_SUFFIXES = {"pt", "pth", "ckpt", "safetensors", "onnx", "h5", "hdf5", "keras", "tflite"}
ARRAY_SUFFIXES = {"npz", "npy", "pkl", "pickle", "joblib", "bin", "mat", "parquet", "arrow", "lmdb", "mdb"}
ARCHIVE_SUFFIXES = {"zip", "rar", "7z", "tar", "gz", "tgz", "bz2", "xz", "zst"}
# Python reads a `.pth` among its site packages as lines to add or run; nobody's network fits into this size.
SITE_PATH_BYTES = 64 * 1024


@dataclass
class Sifted:
    """The files that are kept, by path, and the paths that are not, by reason."""

    kept: dict[str, File] = field(default_factory=dict)
    left_out: dict[Reason, list[str]] = field(default_factory=dict)

    def leave_out(self, reason: Reason, path: str) -> None:
        """Remember that `path` is left out."""
        self.left_out.setdefault(reason, []).append(path)

    def notes(self) -> tuple[Note, ...]:
        """One note for each reason, however many files it is about."""
        return tuple(_note(reason, self.left_out[reason]) for reason in Reason if reason in self.left_out)


def sift(top: Folder, caps: Caps) -> Sifted:
    """Decide for every file below `top` whether it is kept.

    Raises:
        SubmissionRejected: a file that would be kept cannot be accepted, or there are too many of them.
    """
    sifted = Sifted()
    _descend(top, caps, sifted)
    pictures = [path for path in sifted.kept if _suffix(path) in IMAGE_SUFFIXES]
    if len(pictures) > caps.images:
        for path in pictures:
            del sifted.kept[path]
            sifted.leave_out(Reason.DATA, path)
    if len(sifted.kept) > caps.files:
        problem = f"The hand-in has {len(sifted.kept):,} files; at most {caps.files:,} are allowed."
        raise SubmissionRejected(problem, "Hand in the code and the report only.")
    for file in sifted.kept.values():
        if file.flaw:
            raise file.flaw
    return sifted


def _note(reason: Reason, paths: list[str]) -> Note:
    more = f" ({len(paths):,} in all; the first is named)" if len(paths) > 1 else ""
    return Note(message=f"{reason}{more}.", path=escaped(min(paths)))


def _descend(folder: Folder, caps: Caps, sifted: Sifted, *, results: bool = False) -> None:
    """Sift one folder; within `results` nothing is kept, but weights and data are noted as such."""
    for path in folder.skipped:
        sifted.leave_out(Reason.LINK, path)
    for name, file in folder.files.items():
        reason = _why_file(name, file, caps)
        if reason:
            sifted.leave_out(reason, file.path)
        elif file.path in sifted.kept:
            problem = f"The name {quoted(file.path)} occurs twice, written with different accents."
            raise SubmissionRejected(problem, "Remove one of the two.")
        elif not results:
            sifted.kept[file.path] = file
    for name, child in folder.folders.items():
        reason = _why_folder(name, child, folder)
        if reason and reason is not Reason.RESULTS:
            sifted.leave_out(reason, child.path)
            continue
        if reason and not results:
            sifted.leave_out(reason, child.path)
        _descend(child, caps, sifted, results=results or reason is Reason.RESULTS)


def _why_folder(name: str, child: Folder, folder: Folder) -> Reason | None:
    lower = name.lower()
    reason = None
    if name.startswith(".") or name in TOOL_FOLDERS or lower.endswith((".egg-info", ".dist-info")):
        reason = Reason.TOOLS
    elif name in STARTUP_MODULES:
        reason = Reason.STARTUP
    elif _is_virtualenv(folder) and lower in VENV_FOLDERS:
        reason = Reason.VIRTUALENV
    elif DATA_FOLDER.fullmatch(name) and not _has_code(child):
        reason = Reason.DATA
    elif _is_virtualenv(child) and not _has_code(child) and {*map(str.lower, child.folders)} <= VENV_FOLDERS:
        reason = Reason.VIRTUALENV
    elif _is_results(lower, child):
        reason = Reason.RESULTS
    return reason


def _is_results(name: str, folder: Folder) -> bool:
    """Run folders hold copies of the code further down; other folders are results only without any code."""
    if name in RUN_FOLDERS:
        return not _has_code(folder)
    results = name in RESULT_FOLDERS and not any(_has_code(inner) for inner in _all(folder))
    return results or name in BUILD_FOLDERS


def _is_virtualenv(folder: Folder) -> bool:
    return "pyvenv.cfg" in folder.files or "conda-meta" in folder.folders


def _has_code(folder: Folder) -> bool:
    return any(name.endswith(".py") for name in folder.files)


def _all(folder: Folder) -> Iterator[Folder]:
    yield folder
    for child in folder.folders.values():
        yield from _all(child)


def _why_file(name: str, file: File, caps: Caps) -> Reason | None:
    lower, suffix = name.lower(), _suffix(name)
    reason = None
    if name.startswith(".") or lower in TOOL_FILES or name.endswith(TOOL_SUFFIXES) or lower == "pyvenv.cfg":
        reason = Reason.TOOLS
    elif lower in STARTUP_FILES or lower.split(".")[0] in STARTUP_MODULES or _is_site_path(file):
        reason = Reason.STARTUP
    elif suffix in WEIGHT_SUFFIXES or (suffix in ARRAY_SUFFIXES and file.size > caps.array_bytes):
        reason = Reason.WEIGHTS
    elif suffix in ARCHIVE_SUFFIXES:
        reason = Reason.ARCHIVE
    elif file.size > caps.file_bytes:
        _refuse_large(file, caps)
        reason = Reason.LARGE
    return reason


def _is_site_path(file: File) -> bool:
    if _suffix(file.path) != "pth" or file.size > SITE_PATH_BYTES or file.flaw:
        return False
    with suppress(SubmissionRejected):
        return is_text(next(file.chunks(), b"")[:HEAD_BYTES])
    return False


def _refuse_large(file: File, caps: Caps) -> None:
    """A large video or PDF is a mistake and left out; large code, or what packs like zeros, is none."""
    if _suffix(file.path) == "pdf":
        return
    bomb = file.size > caps.ratio * max(file.packed, 1)
    if bomb or basename(file.path).endswith(".py"):
        most = f"at most {caps.file_bytes / MIB:,.1f} MiB are allowed for one file"
        problem = f"{quoted(file.path)} unpacks to {file.size / MIB:,.1f} MiB; {most}."
        raise SubmissionRejected(problem, "Leave it out. " + AGAIN)


def _suffix(path: str) -> str:
    return basename(path).rpartition(".")[2].lower() if "." in basename(path) else ""
