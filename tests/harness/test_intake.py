"""Intake: what is refused and in which words, and what is cleaned up."""

import os
import stat
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.errors import GraderFault, SubmissionRejected, UsageError
from grader.intake import brought_data_or_weights, take_in
from grader.intake.names import escaped
from tests.harness.packing import HANDIN, REGULAR, Entry, pack, raw_zip, under, unpack, zip_bytes
from tests.harness.taking import FILES, assert_harmless, assert_showable, messages, taken
from tests.submissions.hostile.archives import ARCHIVES, BASE, Archive, Verdict, with_entries

# Room for a slow shared machine over the milliseconds that it takes.
QUICK_SECONDS = 0.5


class TestArchives:
    """The table of archives beside the planted submissions."""

    @pytest.mark.parametrize("archive", ARCHIVES, ids=lambda archive: archive.name)
    def test_verdict(self, archive: Archive, tmp_path: Path) -> None:
        """Each archive gets the verdict that stands beside it, and a refused one leaves nothing behind."""
        source, tree = tmp_path / "group_7.zip", tmp_path / "tree"
        source.write_bytes(archive.make())
        if archive.verdict is Verdict.REFUSED:
            with pytest.raises(SubmissionRejected) as refusal:
                take_in(source, tree, archive.caps)
            assert archive.says in refusal.value.problem
            assert_showable(refusal.value.problem, refusal.value.advice)
            assert [*tmp_path.iterdir()] == [source]
        else:
            submission = take_in(source, tree, archive.caps)
            assert_harmless(tree, submission)
            assert submission.files == FILES
            assert archive.says in messages(submission)
            assert bool(submission.notes) == (archive.verdict is Verdict.CLEANED)
            assert_showable(*(f"{note.path} {note.message}" for note in submission.notes))

    def test_names_are_unique(self) -> None:
        """Each case of the table can be named."""
        assert len({archive.name for archive in ARCHIVES}) == len(ARCHIVES)

    def test_legacy_code_page(self, tmp_path: Path) -> None:
        """A name in the code page of old Windows tools is read as it was meant."""
        (tmp_path / "a.zip").write_bytes(with_entries(Entry("group_7/übung.py".encode("cp437"), flags=0)))
        assert "übung.py" in take_in(tmp_path / "a.zip", tmp_path / "tree").files

    def test_unmarked_utf8(self, tmp_path: Path) -> None:
        """A name in UTF-8 that does not say so, as macOS writes it, is read as it was meant, composed."""
        (tmp_path / "a.zip").write_bytes(with_entries(Entry("group_7/u\u0308bung.py".encode(), flags=0)))
        assert "übung.py" in take_in(tmp_path / "a.zip", tmp_path / "tree").files

    @pytest.mark.parametrize("odd", ["\u200d", "\u00a0", "\ue000"])
    def test_odd_but_harmless_names(self, tmp_path: Path, odd: str) -> None:
        """A name with invisible characters stays, but a note shows them escaped."""
        submission = taken(tmp_path, {**HANDIN, f"a{odd}b.ckpt": b"x", f"a{odd}b.py": b""})
        assert f"a{odd}b.py" in submission.files
        assert escaped(odd) in messages(submission)
        assert_showable(messages(submission).replace("\n", " "))

    def test_many_notes_of_a_kind_are_one(self, tmp_path: Path) -> None:
        """A hundred weights are one note that counts them."""
        submission = taken(tmp_path, {**HANDIN, **{f"w{index:03}.pt": b"" for index in range(100)}})
        assert [(note.path, "100" in note.message) for note in submission.notes] == [("w000.pt", True)]

    def test_data_set_by_mistake(self, tmp_path: Path) -> None:
        """A hand-in with the 26,000 files of the pets is cleaned and graded within a few seconds."""
        pets = (
            Entry(b"group_7/data/oxford-iiit-pet/images/%d.jpg" % index, packed=b"", method=0)
            for index in range(26_000)
        )
        (tmp_path / "a.zip").write_bytes(raw_zip([*BASE, *pets]))
        assert take_in(tmp_path / "a.zip", tmp_path / "tree").files == FILES

    def test_ordinary_zip_is_quick(self, tmp_path: Path) -> None:
        """A zip of 200 KB takes milliseconds."""
        source = pack(tmp_path / "a.zip", {**HANDIN, "dlvc/noise.py": os.urandom(200_000)})
        started = time.perf_counter()
        take_in(source, tmp_path / "tree")
        assert time.perf_counter() - started < QUICK_SECONDS


class TestRecord:
    """What the stages after intake learn of the hand-in."""

    def test_fields(self, tmp_path: Path) -> None:
        """Name, source and package are as they were handed in."""
        submission = take_in(pack(tmp_path / "group_7.zip"), tmp_path / "tree")
        assert (submission.name, submission.source) == ("group_7", "group_7.zip")
        assert submission.package == "group_7/dlvc"

    def test_digest_is_that_of_the_content(self, tmp_path: Path) -> None:
        """The same files have one digest as a folder, as a zip, with rubbish and in wrappers; others do not."""
        folder = take_in(unpack(tmp_path / "a"), tmp_path / "1").digest
        plain = take_in(pack(tmp_path / "b.zip"), tmp_path / "2").digest
        rubbish = {**under("x/y", HANDIN), "x/.DS_Store": b"", "x/y/best.pth": b"\0"}
        wrapped = take_in(pack(tmp_path / "c.zip", rubbish), tmp_path / "3").digest
        changed = take_in(pack(tmp_path / "d.zip", {**HANDIN, "train.py": b"#"}), tmp_path / "4").digest
        assert folder == plain == wrapped != changed

    def test_digest_tells_names_from_contents(self, tmp_path: Path) -> None:
        """Bytes that move from the end of one file to the start of the next change the digest."""
        one = take_in(pack(tmp_path / "a.zip", {**HANDIN, "a.py": b"1", "b.py": b"23"}), tmp_path / "1")
        two = take_in(pack(tmp_path / "b.zip", {**HANDIN, "a.py": b"12", "b.py": b"3"}), tmp_path / "2")
        assert one.digest != two.digest

    def test_odd_source_name(self, tmp_path: Path) -> None:
        """A zip whose own name could harm a terminal is graded, and shown escaped."""
        submission = take_in(pack(tmp_path / "a\x1b[2J.zip"), tmp_path / "tree")
        assert (submission.name, submission.source) == ("a\\x1b[2J", "a\\x1b[2J.zip")

    def test_data_and_weights(self, tmp_path: Path) -> None:
        """Data sets and weights are told apart from other things that were left out."""
        extra = {"best.pth": b"\0", "data/gtFine/a.png": b"", "logs/a.txt": b"", "a.pth": b"import os\n"}
        brought = brought_data_or_weights(taken(tmp_path, {**HANDIN, **extra}))
        assert [line.partition(":")[0] for line in brought] == ["data/gtFine", "best.pth"]

    def test_nothing_brought(self, tmp_path: Path) -> None:
        """An ordinary hand-in with its figures brings neither."""
        figures = {f"figures/{index}.png": b"x" for index in range(30)}
        assert brought_data_or_weights(taken(tmp_path, {**HANDIN, **figures})) == []

    def test_code_named_like_data_or_results(self, tmp_path: Path) -> None:
        """Folders of code stay whatever they are called."""
        code = {"dlvc/dataset/cityscapes/__init__.py": b"", "logs/logger.py": b"", "wandb/__init__.py": b""}
        assert set(code) <= set(taken(tmp_path, {**HANDIN, **code}).files)


class TestUsage:
    """What is nobody's hand-in."""

    def test_missing(self, tmp_path: Path) -> None:
        """A source that is not there is a matter of usage."""
        with pytest.raises(UsageError, match="No such file"):
            take_in(tmp_path / "nothing.zip", tmp_path / "tree")

    def test_special(self, tmp_path: Path) -> None:
        """A pipe as the source is refused instead of waited for."""
        os.mkfifo(tmp_path / "pipe.zip")
        with pytest.raises(UsageError, match="neither a zip nor a folder"):
            take_in(tmp_path / "pipe.zip", tmp_path / "tree")

    def test_tree_exists(self, tmp_path: Path) -> None:
        """A tree that is there already is the grader's fault, and stays as it is."""
        (tmp_path / "tree").mkdir()
        with pytest.raises(GraderFault):
            take_in(pack(tmp_path / "a.zip"), tmp_path / "tree")
        assert (tmp_path / "tree").is_dir()

    def test_full_disk(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A disk that is full is the grader's fault, never the student's."""

        def full(descriptor: int, mode: int) -> None:
            raise OSError(28, "No space left on device", descriptor, mode)

        monkeypatch.setattr(os, "fchmod", full)
        with pytest.raises(GraderFault, match="No space left"):
            take_in(pack(tmp_path / "a.zip"), tmp_path / "tree")
        assert not (tmp_path / "tree").exists()


PIECES = st.sampled_from(
    [
        "..",
        ".",
        "",
        "a",
        "A",
        "dlvc",
        "train.py",
        "é",
        "e\u0301",
        "C:",
        "a:b",
        "\0",
        "\n",
        " ",
        "~",
        "x" * 256,
    ]
)
SEPARATORS = st.sampled_from(["/", "\\", "//"])
NAMES = st.lists(st.tuples(PIECES, SEPARATORS), max_size=5).map(
    lambda parts: "".join(piece + separator for piece, separator in parts)
) | st.builds(lambda head, tail: f"{head}/{tail}", PIECES, st.text(max_size=8))
MODES = st.sampled_from([REGULAR, stat.S_IFLNK | 0o777, stat.S_IFDIR | 0o755, stat.S_IFREG | 0o4755, 0])


def assert_stays_inside(data: bytes) -> None:
    """A zip is refused and leaves nothing, or ends within its tree; nothing else may come of it."""
    with tempfile.TemporaryDirectory() as folder:
        source, tree = Path(folder) / "outer/a.zip", Path(folder) / "outer/tree"
        source.parent.mkdir()
        source.write_bytes(data)
        try:
            submission = take_in(source, tree)
        except SubmissionRejected as refusal:
            assert_showable(refusal.problem, refusal.advice)
            expected = {source}
        else:
            assert_harmless(tree, submission)
            expected = {source, tree}
        assert set(source.parent.iterdir()) == expected
        assert [*Path(folder).iterdir()] == [source.parent]


class TestProperties:
    """Whatever is in the zip."""

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.tuples(NAMES, MODES), min_size=1, max_size=4))
    def test_any_names(self, entries: list[tuple[str, int]]) -> None:
        """Entries of any name and mode are refused or stay inside the tree."""
        odd = (Entry(name.encode(errors="replace"), b"x", mode=mode) for name, mode in entries)
        assert_stays_inside(raw_zip([*BASE, *odd]))

    @settings(max_examples=300, deadline=None)
    @given(st.data())
    def test_any_damage(self, data: st.DataObject) -> None:
        """Whichever bytes of a zip are changed, it is refused or graded, and never the grader's fault."""
        whole = bytearray(zip_bytes(HANDIN))
        for _ in range(data.draw(st.integers(1, 4))):
            whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
        assert_stays_inside(bytes(whole))

    @settings(max_examples=50, deadline=None)
    @given(st.text())
    def test_escaped(self, name: str) -> None:
        """No escaped name contains anything that is not printed as it stands."""
        assert escaped(name).isprintable()
