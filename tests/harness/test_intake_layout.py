"""Intake: finding the package, the report and the scripts, in zips and folders, and what the code imports."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from grader.errors import SubmissionRejected, UsageError
from grader.intake import Caps, Reason, modules_imported, take_in
from tests.harness.packing import HANDIN, under, unpack
from tests.harness.taking import FILES, assert_harmless, assert_showable, messages, taken

# Room for a slow shared machine over the milliseconds that it takes.
QUICK_SECONDS = 0.5


class TestPackage:
    """Finding the package and giving it its name."""

    def test_datasets_stays(self, tmp_path: Path) -> None:
        """The folder of data sets may be called `datasets`, as one text of the handout has it."""
        files = {name.replace("/dataset/", "/datasets/"): data for name, data in HANDIN.items()}
        assert "dlvc/datasets/oxfordpets.py" in taken(tmp_path, files).files

    @pytest.mark.parametrize("name", ["DLVC", "dlvc_solution", "dlvc-group 7"])
    def test_renamed(self, tmp_path: Path, name: str) -> None:
        """A renamed package is graded as `dlvc`, with a note."""
        files = {path.replace("dlvc/", f"{name}/"): data for path, data in HANDIN.items()}
        submission = taken(tmp_path, {**files, "train.py": b""})
        assert submission.files == FILES
        assert submission.package == name
        assert "not called dlvc" in messages(submission)

    def test_renamed_and_imported_by_its_old_name(self, tmp_path: Path) -> None:
        """Code that imports a renamed package by its old name gets the very modules that are graded."""
        files = {path.replace("dlvc/", "mine/"): data for path, data in HANDIN.items()}
        files["mine/trainer.py"] = b"from mine.metrics import (\n  SegMetrics,\n)\nfrom . import models\n"
        files["train.py"] = (
            b"import mine.trainer, dlvc.trainer, dlvc.metrics\nfrom mine.models import segformer as s\n"
            b"assert mine.trainer.SegMetrics is dlvc.metrics.SegMetrics\n"
            b"assert mine.trainer is dlvc.trainer and s.__spec__.name == 'dlvc.models.segformer'\n"
        )
        files["mine/models/segformer.py"] = b""
        submission = taken(tmp_path, files)
        assert "mine/__init__.py" in submission.files
        assert "'mine'" in messages(submission)
        command = [sys.executable, "-W", "error", "train.py"]
        subprocess.run(command, cwd=tmp_path / "tree", check=True, timeout=60)

    def test_imported_through_its_folder(self, tmp_path: Path) -> None:
        """Code that imports `src.dlvc`, since it ran one folder further up, still works."""
        files = {f"group_7/src/{path}": data for path, data in HANDIN.items()}
        files["group_7/src/train.py"] = (
            b"from src.dlvc.metrics import SegMetrics\nfrom src import dlvc\nimport dlvc.metrics\n"
            b"assert dlvc.metrics.SegMetrics is SegMetrics\n"
        )
        taken(tmp_path, files)
        subprocess.run([sys.executable, "train.py"], cwd=tmp_path / "tree", check=True, timeout=60)

    def test_old_name_that_nobody_imports(self, tmp_path: Path) -> None:
        """No second name is made where the code does without."""
        files = {path.replace("dlvc/", "torch/"): data for path, data in HANDIN.items()}
        assert taken(tmp_path, files).files == FILES

    def test_package_at_the_top(self, tmp_path: Path) -> None:
        """A zip of the package's content is graded, its scripts placed beside it."""
        flat = {path.removeprefix("dlvc/"): data for path, data in HANDIN.items()}
        submission = taken(tmp_path, flat)
        assert {"dlvc/metrics.py", "train.py", "train_segformer.py", "report.pdf"} <= set(submission.files)
        assert submission.package == "."

    def test_only_one_module(self, tmp_path: Path) -> None:
        """A folder named `dlvc` with the metric alone is graded; the other parts are not submitted, then."""
        assert taken(tmp_path, {"x/dlvc/metrics.py": b""}).files == ("dlvc/metrics.py",)

    def test_backup_inside(self, tmp_path: Path) -> None:
        """An old copy within the package is part of it and does not take its place."""
        backup = {"dlvc/old/metrics.py": b"", "dlvc/old/trainer.py": b""}
        submission = taken(tmp_path, {**HANDIN, **backup})
        assert "dlvc/old/metrics.py" in submission.files
        assert "dlvc/old: This folder looks like the package too" in messages(submission)

    def test_copies_around(self, tmp_path: Path) -> None:
        """Copies of modules beside the package do not take its place."""
        copies = {"metrics.py": b"", "trainer.py": b""}
        submission = taken(tmp_path, under("group_7", {**HANDIN, **copies}))
        assert submission.package == "group_7/dlvc"
        assert "metrics.py" in submission.files

    def test_folders_alone_are_no_package(self, tmp_path: Path) -> None:
        """A third-party folder with `models` and `datasets` does not make the package doubtful."""
        other = {"lib/segmentation/models/a.py": b"", "lib/segmentation/datasets/a.py": b""}
        assert taken(tmp_path, {**HANDIN, **other}).package == "dlvc"

    def test_long_listing_is_cut(self, tmp_path: Path) -> None:
        """A refusal lists ten names of what there is and counts the others."""
        with pytest.raises(SubmissionRejected, match="and 15 more"):
            taken(tmp_path, {f"a{index}.py": b"" for index in range(25)})


class TestReport:
    """The report and the scripts, wherever they lie."""

    @pytest.mark.parametrize(
        "path",
        [
            "group_7/Report.pdf",
            "group_7/group_7_REPORT.pdf",
            "report.pdf",
            "group_7/doc/report.PDF",
            "group_7.pdf",
        ],
    )
    def test_found(self, tmp_path: Path, path: str) -> None:
        """The one PDF that may be the report is placed as `report.pdf`, with a note."""
        files = {name: data for name, data in HANDIN.items() if name != "report.pdf"}
        submission = taken(tmp_path, {**under("group_7", files), path: b"%PDF-found"})
        assert submission.files == FILES
        assert (tmp_path / "tree/report.pdf").read_bytes() == b"%PDF-found"
        assert f"{path}: Taken as report.pdf" in messages(submission)

    def test_doubtful(self, tmp_path: Path) -> None:
        """Of two reports none is taken, and the note says so."""
        files = {name: data for name, data in HANDIN.items() if name != "report.pdf"}
        submission = taken(tmp_path, {**files, "report_a.pdf": b"", "report_b.pdf": b""})
        assert "report.pdf" not in submission.files
        assert "2 PDFs" in messages(submission)

    def test_other_pdfs(self, tmp_path: Path) -> None:
        """A PDF deep inside that is not called a report is none."""
        files = {name: data for name, data in HANDIN.items() if name != "report.pdf"}
        submission = taken(tmp_path, {**files, "doc/segformer.pdf": b""})
        assert "report.pdf" not in submission.files

    def test_huge(self, tmp_path: Path) -> None:
        """A huge report is left out with a note, and the rest is graded."""
        caps = Caps(file_bytes=100_000)
        submission = taken(tmp_path, {**HANDIN, "report.pdf": os.urandom(200_000)}, caps)
        assert submission.files == tuple(name for name in FILES if name != "report.pdf")
        assert Reason.LARGE in messages(submission)

    @pytest.mark.parametrize("place", ["group_7", "group_7/scripts", "group_7/code/dlvc"])
    def test_scripts_elsewhere(self, tmp_path: Path, place: str) -> None:
        """A script that is not beside the package is placed there, too."""
        files = {name: data for name, data in HANDIN.items() if name != "train.py"}
        moved = {**under("group_7/code", files), f"{place}/train.py": b"# here"}
        submission = taken(tmp_path, moved)
        assert (tmp_path / "tree/train.py").read_bytes() == b"# here"
        assert "Taken as train.py" in messages(submission)


class TestFolder:
    """A folder as the source."""

    def test_like_a_zip(self, tmp_path: Path) -> None:
        """A folder is cleaned by the same rules."""
        rubbish = {".git/config": b"", "results/a.png": b"", "conftest.py": b"", "best.pth": b"\0"}
        submission = take_in(unpack(tmp_path / "student", {**HANDIN, **rubbish}), tmp_path / "tree")
        assert_harmless(tmp_path / "tree", submission)
        assert submission.files == FILES
        assert (submission.name, submission.source, submission.package) == ("student", "student", "dlvc")
        assert all(
            reason in messages(submission) for reason in (Reason.TOOLS, Reason.RESULTS, Reason.STARTUP, Reason.WEIGHTS)
        )

    def test_dot(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The current folder has its own name."""
        monkeypatch.chdir(unpack(tmp_path / "v1.2"))
        assert take_in(Path(), tmp_path / "tree").name == "v1.2"

    def test_links_and_special_files(self, tmp_path: Path) -> None:
        """Links and special files are skipped with a note and never followed."""
        source, secret = unpack(tmp_path / "student"), tmp_path / "secret"
        unpack(secret, {"key.py": b"secret"})
        (source / "key.py").symlink_to(secret / "key.py")
        (source / "data").symlink_to(secret)
        (source / "up").symlink_to(tmp_path)
        (source / "nowhere").symlink_to("nowhere")
        os.mkfifo(source / "pipe.py")
        submission = take_in(source, tmp_path / "tree")
        assert submission.files == FILES
        assert f"data: {Reason.LINK} (5 in all" in messages(submission)

    def test_pruned_while_walking(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is left out is neither listed nor opened."""
        large = {f"{folder}/deep/x.bin": b"x" for folder in (".git", "data/oxford-iiit-pet", "__pycache__", ".tox")}
        source, listed = unpack(tmp_path / "student", {**HANDIN, **large}), []
        scandir = os.scandir
        monkeypatch.setattr(os, "scandir", lambda path: listed.append(Path(path).name) or scandir(path))
        monkeypatch.setattr(Path, "rglob", lambda *_: [])
        take_in(source, tmp_path / "tree")
        # A folder that is named like data is looked into once, for code.
        assert not {"deep", ".git", ".tox", "__pycache__"} & set(listed)

    def test_large_results_are_quick(self, tmp_path: Path) -> None:
        """Local data and results of some gigabytes cost nothing."""
        source = unpack(tmp_path / "student", {**HANDIN, "results/a.txt": b"", "data/a/pug.jpg": b""})
        for name in ("results/huge.txt", "data/train.bin"):
            with (source / name).open("wb") as stream:
                stream.truncate(1 << 40)
        started = time.perf_counter()
        assert set(FILES) <= set(take_in(source, tmp_path / "tree").files)
        assert time.perf_counter() - started < QUICK_SECONDS

    @pytest.mark.parametrize("name", [b"a\nb.py", b"a\xffb.py", b"a\\b.py", b"\xe2\x80\xae.py"])
    def test_names(self, tmp_path: Path, name: bytes) -> None:
        """Names that a zip may not have, a folder may not have either."""
        source = unpack(tmp_path / "student")
        Path(os.fsdecode(os.fsencode(source) + b"/" + name)).write_bytes(b"")
        with pytest.raises(SubmissionRejected) as refusal:
            take_in(source, tmp_path / "tree")
        assert_showable(refusal.value.problem, refusal.value.advice)

    def test_accents(self, tmp_path: Path) -> None:
        """Two names that differ only in how an accent is written are refused, since one would hide the other."""
        source = unpack(tmp_path / "student", {**HANDIN, "\xe9.py": b"1", "e\u0301.py": b"2"})
        with pytest.raises(SubmissionRejected, match="occurs twice"):
            take_in(source, tmp_path / "tree")

    @pytest.mark.parametrize("caps", [Caps(entries=5), Caps(files=5), Caps(total_bytes=50), Caps(depth=2)])
    def test_caps(self, tmp_path: Path, caps: Caps) -> None:
        """The limits of a zip hold for a folder, too, and nothing stays behind."""
        source = unpack(tmp_path / "student")
        with pytest.raises(SubmissionRejected):
            take_in(source, tmp_path / "tree", caps)
        assert not (tmp_path / "tree").exists()

    def test_tree_within_the_source(self, tmp_path: Path) -> None:
        """The tree may lie in a hidden folder of the source, as a cache does."""
        source = unpack(tmp_path / "student")
        for number in (1, 2):
            assert take_in(source, source / f".cache/{number}").files == FILES

    def test_content_that_cannot_be_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file that the user may not read is a matter of usage, and no half tree stays behind."""
        source, ordinary = unpack(tmp_path / "student"), os.open

        def refuse(path: Path, *arguments: Any, **named: Any) -> int:
            if path == source / "train.py":
                raise PermissionError(13, "Permission denied", str(path))
            return ordinary(path, *arguments, **named)

        monkeypatch.setattr(os, "open", refuse)
        with pytest.raises(UsageError, match="Permission denied"):
            take_in(source, tmp_path / "tree")
        assert not (tmp_path / "tree").exists()

    def test_folder_that_cannot_be_listed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A folder that the user may not list is a matter of usage."""

        def refuse(path: Path) -> None:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(os, "scandir", refuse)
        with pytest.raises(UsageError, match="Permission denied"):
            take_in(tmp_path, tmp_path / "tree")


class TestImports:
    """What the code imports, told without parsing it."""

    def imported(self, folder: Path, text: bytes) -> set[str]:
        """The top-level names of one file."""
        return modules_imported(unpack(folder, {"a.py": text}))

    @pytest.mark.parametrize(
        ("text", "names"),
        [
            (b"import torch", {"torch"}),
            (b"import a.b as c, d ,e.f", {"a", "d", "e"}),
            (b"from torch.nn import functional as F", {"torch"}),
            (b"from x import (a,  # why\n b)", {"x"}),
            (b"if y:\r\n\timport a\r\n", {"a"}),
            (b"import a; import b", {"a", "b"}),
            (b"\xef\xbb\xbfimport a", {"a"}),
            (b"import a, \\\n  b", {"a", "b"}),
            (b"from . import a\nfrom .b import c\nfrom .. import d", set()),
            (b"important = 1\nfrom_x = 2\n# import a\nx = 'import b'", set()),
            (b"\xff\xfe\0\0import", set()),
        ],
    )
    def test_forms(self, tmp_path: Path, text: bytes, names: set[str]) -> None:
        """Every form of the import statement is seen, and relative ones are not."""
        assert self.imported(tmp_path, text) == names

    @pytest.mark.parametrize("text", [b" ", b"from ", b"import a", b"from a import (", b"import .", b"a\t", b"\n"])
    def test_linear(self, tmp_path: Path, text: bytes) -> None:
        """A megabyte made to slow down the search takes no longer than another one."""
        started = time.perf_counter()
        self.imported(tmp_path, text * (2**20 // len(text)))
        assert time.perf_counter() - started < 2 * QUICK_SECONDS
