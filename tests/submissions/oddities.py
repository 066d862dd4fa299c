"""What a patch cannot say of a planted submission: which files there are, how they are written, how they were packed.

Each function gets the folder of a submission, named `group_7`, may change it, and returns what is handed in: that
folder, or a zip beside it. A submission is named like its function.
"""

import re
from collections.abc import Callable
from pathlib import Path

from pypdf import PageObject, PdfReader, PdfWriter

from tests.harness.packing import files_of, pack, under, unpack

__all__ = [
    "bare_package_in_the_zip",
    "byte_order_marks",
    "carriage_returns",
    "dataset_brought",
    "datasets_for_dataset",
    "files_of_its_own",
    "head_missing",
    "metrics_missing",
    "no_init_files",
    "package_renamed",
    "report_a_text_file",
    "report_cut_off",
    "report_missing",
    "report_of_four_pages",
    "report_of_one_page",
    "report_of_text_pages",
    "report_with_a_password",
    "report_with_another_name",
    "report_without_pictures",
    "report_write_protected",
    "script_missing",
    "trainer_missing",
    "weights_brought",
    "windows_zip",
    "wrapped_thrice",
]

EXTRA_FILES = {
    "README.md": b"# Group 7\n",
    "conftest.py": b"raise SystemExit('this hides every test')\n",
    "dlvc/conftest.py": b"import pytest\n\npytest.skip(allow_module_level=True)\n",
    "dlvc/sitecustomize.py": b"raise SystemExit('this ends every Python')\n",
    "dlvc/utils/plots.py": b"import matplotlib.pyplot as plt\n",
    "experiments.ipynb": b'{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}\n',
    "pytest.ini": b"[pytest]\naddopts = --collect-only\n",
    "random_erasing.py": b"P = 0.5\n",
    "requirements.txt": b"torch\nwandb\n",
    "run.sbatch": b"#!/bin/bash\n#SBATCH --gres=gpu:1\npython train.py\n",
    "test_metrics.py": b"def test_nothing():\n    assert False\n",
}


def _rewrite(folder: Path, change: Callable[[bytes], bytes]) -> Path:
    """Change the contents of every Python file."""
    for path in folder.rglob("*.py"):
        path.write_bytes(change(path.read_bytes()))
    return folder


def byte_order_marks(folder: Path) -> Path:
    """Written with an editor that marks UTF-8."""
    return _rewrite(folder, lambda text: b"\xef\xbb\xbf" + text)


def carriage_returns(folder: Path) -> Path:
    """Written on Windows."""
    return _rewrite(folder, lambda text: text.replace(b"\n", b"\r\n"))


def package_renamed(folder: Path) -> Path:
    """The package has another name, and all imports use it."""
    (folder / "dlvc").rename(folder / "assignment_2")
    relative, absolute = b"\nfrom .", b"\nfrom assignment_2.models."
    for path in (folder / "assignment_2" / "models").glob("*.py"):
        path.write_bytes(path.read_bytes().replace(relative, absolute))
    return _rewrite(folder, lambda text: text.replace(b"from dlvc", b"from assignment_2"))


def no_init_files(folder: Path) -> Path:
    """No folder has an `__init__.py`."""
    for path in folder.rglob("__init__.py"):
        path.unlink()
    return folder


def datasets_for_dataset(folder: Path) -> Path:
    """The folder is called as the text of the original assignment has it."""
    (folder / "dlvc" / "dataset").rename(folder / "dlvc" / "datasets")
    return _rewrite(folder, lambda text: re.sub(rb"(?<=from )(dlvc)?\.dataset\.", rb"\1.datasets.", text))


def files_of_its_own(folder: Path) -> Path:
    """Beside the hand-in lie files that would disturb a grader which runs pytest in it."""
    return unpack(folder, EXTRA_FILES)


def bare_package_in_the_zip(folder: Path) -> Path:
    """A zip without any folder around the hand-in."""
    return pack(folder.with_suffix(".zip"), folder, wrapper=None)


def wrapped_thrice(folder: Path) -> Path:
    """A zip of a folder in a folder in a folder, with a blank and an umlaut in its name."""
    return pack(folder.with_suffix(".zip"), under("Abgabe Größe/group_7", files_of(folder)), "Final version (2)")


def windows_zip(folder: Path) -> Path:
    r"""A zip in which `\` separates folders."""
    files = under("group_7", files_of(folder))
    named = {name.replace("/", "\\"): content for name, content in files.items()}
    return pack(folder.with_suffix(".zip"), named, wrapper=None)


def _without(folder: Path, name: str) -> Path:
    (folder / name).unlink()
    return folder


def metrics_missing(folder: Path) -> Path:
    """Part 2 was not handed in."""
    return _without(folder, "dlvc/metrics.py")


def head_missing(folder: Path) -> Path:
    """One of the models was forgotten."""
    return _without(folder, "dlvc/models/segformer_head.py")


def trainer_missing(folder: Path) -> Path:
    """The trainer was forgotten."""
    return _without(folder, "dlvc/trainer.py")


def script_missing(folder: Path) -> Path:
    """A script was forgotten."""
    return _without(folder, "train_segformer.py")


def weights_brought(folder: Path) -> Path:
    """A checkpoint was packed as well; nothing of it is ever read."""
    return unpack(folder, {"results/SegFormer_model_best.pth": b"PK\3\4" + bytes(1 << 17)})


def dataset_brought(folder: Path) -> Path:
    """The data were packed as well."""
    return unpack(folder, {"data/oxford-iiit-pet/annotations/trimaps/cat_1.png": b"\x89PNG\r\n\x1a\n"})


def report_missing(folder: Path) -> Path:
    """There is no report."""
    return _without(folder, "report.pdf")


def report_a_text_file(folder: Path) -> Path:
    """The report is no PDF, whatever its name says."""
    return unpack(folder, {"report.pdf": b"Report of group 7\n=================\n"})


def report_cut_off(folder: Path) -> Path:
    """The report's upload broke off within its first page."""
    return unpack(folder, {"report.pdf": (folder / "report.pdf").read_bytes()[:200]})


def report_with_another_name(folder: Path) -> Path:
    """The report can be found, though its name has the group in it."""
    (folder / "report.pdf").rename(folder / "Group7_Report.pdf")
    return folder


def _report(folder: Path, change: Callable[[PdfWriter, list[PageObject]], object]) -> Path:
    """Write the report anew: `change` gets an empty one and the old one's pages."""
    writer = PdfWriter()
    change(writer, list(PdfReader(folder / "report.pdf").pages))
    writer.write(folder / "report.pdf")
    return folder


def report_of_one_page(folder: Path) -> Path:
    """The report has curves, but far too little text."""
    return _report(folder, lambda report, pages: report.add_page(pages[-1]))


def report_of_four_pages(folder: Path) -> Path:
    """The report is as long as it may be."""
    return _report(folder, lambda report, pages: [report.add_page(page) for page in (*pages, pages[0])])


def report_without_pictures(folder: Path) -> Path:
    """The report has three empty pages."""
    return _report(folder, lambda report, pages: [report.add_blank_page(595, 842) for _ in pages])


def report_of_text_pages(folder: Path) -> Path:
    """The report has three pages of text; they name markers of plots among their resources, but draw none."""
    return _report(folder, lambda report, pages: [report.add_page(pages[0]) for _ in pages])


def report_with_a_password(folder: Path) -> Path:
    """Nobody can open the report without the password."""

    def change(report: PdfWriter, pages: list[PageObject]) -> None:
        report.append(folder / "report.pdf", pages=(0, len(pages)))
        report.encrypt("secret", algorithm="RC4-128")

    return _report(folder, change)


def report_write_protected(folder: Path) -> Path:
    """Everybody can open and read the report; a password only keeps it from being edited."""

    def change(report: PdfWriter, pages: list[PageObject]) -> None:
        report.append(folder / "report.pdf", pages=(0, len(pages)))
        report.encrypt("", owner_password="secret", algorithm="RC4-128")

    return _report(folder, change)
