"""Reports: how they show text and points, what holds for all of them, and how they reach the disk."""

import json
import re
import xml.etree.ElementTree as ET

import jsonschema
import pytest

from grader.errors import GraderFault
from grader.files import write_atomically
from grader.reports import load_gradesheet, write_reports, write_schema
from grader.reports.json_sheet import SCHEMA_FILE, gradesheet_json, gradesheet_schema
from grader.reports.text import amount, excerpt, redrawn, visible
from tests.harness import gradesheets
from tests.harness.gradesheets import RUBRIC
from tests.harness.report_examples import (
    ALL,
    HOSTILE,
    SHEETS,
    Example,
    Page,
    every_sheet,
    honest_sheet,
    printed,
    rendered,
)


class TestText:
    """Text and points, as all reports show them."""

    @pytest.mark.parametrize(
        ("points", "shown"),
        [
            (3, "3"),
            (3.0, "3"),
            (2.5, "2.5"),
            (1 / 3, "0.33"),
            (0, "0"),
            (0.1 + 0.2, "0.3"),
            (10, "10"),
            (100, "100"),
        ],
    )
    def test_points_have_no_needless_digits(self, points, shown):
        """Points are written as people write them."""
        assert amount(points) == shown

    def test_invisible_characters_become_their_escapes(self):
        """What acts on a terminal or cannot be seen is readable afterwards."""
        assert visible("\x1b[0m\u202e\x00\u200b\ud800") == r"\x1b[0m\u202e\x00\u200b\ud800"

    def test_visible_text_stays_as_it_is(self):
        """Letters of any script, symbols, blanks and line ends are left alone."""
        text = "Größe: µ ≥ 0,5\n  漢字 ✓ “x” C:\\new"
        assert visible(text) == text

    @pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
    def test_nothing_invisible_is_left(self, text):
        """After one pass all is printable, and a second pass changes nothing."""
        shown = visible(text)
        assert all(char == "\n" or char.isprintable() for char in shown)
        assert visible(shown) == shown

    def test_an_excerpt_keeps_both_ends_and_counts_the_rest(self):
        """Of many lines the first and the last remain, with the number of those between."""
        shown = excerpt("\n".join(f"line {number}" for number in range(100)), lines=10, chars=10_000)
        assert shown.startswith("line 0\n")
        assert shown.endswith("\nline 99")
        assert "[… 90 lines left out …]" in shown
        assert len(shown.splitlines()) == 11

    def test_an_excerpt_of_one_giant_line_keeps_both_ends(self):
        """Of a giant line the first and the last characters remain."""
        shown = excerpt("a" * 5_000 + "b" * 5_000, lines=10, chars=100)
        assert re.fullmatch(r"a{60} \[… 9,900 characters left out …\] b{40}", shown)

    def test_what_is_little_too_long_is_shown_whole(self):
        """Nothing is left out for the sake of a line or two."""
        text = "\n".join("abcdefghijkl")
        assert excerpt(text, lines=10, chars=1_000) == text

    def test_a_progress_bar_shows_its_last_state(self):
        """A line that was drawn again and again is shown once."""
        assert redrawn("start\r\n\r 10%\r 50%\r100%\nend\n") == "start\n100%\nend\n"


class TestTogether:
    """What holds for all reports of one sheet."""

    @honest_sheet
    def test_points_agree_everywhere(self, example):
        """Terminal, page, JUnit and JSON show the same points, in total and for each part."""
        files = rendered(example)
        page, suites = Page(files["report"]).text, ET.fromstring(files["junit"])
        headline = f"{amount(example.sheet.points.earned)} of {amount(example.sheet.points.possible)} points"
        assert headline in printed(example)
        assert headline in printed(example, "tutor")
        assert headline in page
        for part, suite in zip(example.sheet.parts, suites, strict=True):
            pair = f"{amount(part.points.earned)} / {amount(part.points.possible)}"
            assert re.search(rf"{re.escape(part.title)}.* {re.escape(pair)} ", printed(example))
            assert re.search(rf"{re.escape(part.title)}\s+{re.escape(pair)}", page)
            (shown,) = [each.get("value") for each in suite.iter("property") if each.get("name") == "points"]
            assert shown.startswith(pair.replace("/", "of"))

    @every_sheet
    def test_the_same_sheet_gives_the_same_bytes(self, example):
        """Nothing in a report depends on the moment or on chance."""
        again = Example(example.sheet)
        assert rendered(example) == rendered(again)
        assert printed(example, "tutor") == printed(again, "tutor")

    @every_sheet
    def test_reports_stay_small(self, example):
        """However much a submission prints, a page can be opened on a phone and a CI log be read."""
        files = rendered(example)
        assert len(files["report"]) < 2_000_000
        assert len(files["junit"]) < 2_000_000
        assert len(printed(example).splitlines()) < 110
        assert len(printed(example, "tutor").splitlines()) < 620

    def test_a_sheet_can_be_shown_with_another_rubric(self, tmp_path):
        """An old gradesheet whose parts have left the rubric is shown by their ids."""
        rubric = RUBRIC.model_copy(update={"parts": RUBRIC.parts[:1], "checks": (), "tutor_items": ()})
        path = write_reports(SHEETS["mixed"].sheet, rubric, tmp_path)["report"]
        assert "report" in path.read_text("utf-8")


class TestJson:
    """`gradesheet.json` and its schema."""

    @every_sheet
    def test_the_schema_describes_every_gradesheet(self, example):
        """What is written validates against the published schema."""
        jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text("utf-8"))).validate(
            json.loads(gradesheet_json(example.sheet))
        )

    def test_the_published_schema_is_the_records(self):
        """The committed file is what the records generate; if not, run `grader.reports.write_schema()`."""
        assert json.loads(SCHEMA_FILE.read_text("utf-8")) == gradesheet_schema()
        jsonschema.Draft202012Validator.check_schema(gradesheet_schema())

    def test_the_schema_can_be_written_again(self, tmp_path):
        """Writing the schema gives the committed file, byte for byte."""
        assert write_schema(tmp_path / "schema.json").read_bytes() == SCHEMA_FILE.read_bytes()

    def test_the_schema_refuses_what_is_no_gradesheet(self):
        """An unknown field or a negative number of points does not validate."""
        raw = json.loads(gradesheet_json(SHEETS["mixed"].sheet))
        for change in ({"extra": 1}, {"points": {"earned": -1, "lost": 0, "open": 0}}):
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate(raw | change, gradesheet_schema())

    @pytest.mark.parametrize("name", [name for name in ALL if name != "hostile: illegal in xml"])
    def test_reading_gives_back_what_was_written(self, name, tmp_path):
        """The round trip loses nothing."""
        path = tmp_path / "gradesheet.json"
        path.write_text(gradesheet_json(ALL[name].sheet), encoding="utf-8")
        assert load_gradesheet(path) == ALL[name].sheet

    def test_a_lone_surrogate_is_read_as_its_name(self, tmp_path):
        """What no UTF-8 file can hold does not break writing or reading."""
        path = tmp_path / "gradesheet.json"
        path.write_text(gradesheet_json(gradesheets.hostile("a\ud800b")), encoding="utf-8")
        assert load_gradesheet(path).submission.name == r"a\ud800b"

    @every_sheet
    def test_the_file_is_safe_to_print(self, example):
        """`cat gradesheet.json` shows printable characters only, and ends in a line end."""
        text = gradesheet_json(example.sheet)
        assert all(char == "\n" or char.isprintable() for char in text)
        assert text.endswith("}\n")

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"", "Invalid JSON"),
            (b'{"schema_version": "1", "submi', "Invalid JSON"),
            (b"\xff\xfe", "Invalid JSON"),
            (b"[]", "should be an object"),
            (b"{}", "submission: Field required"),
            (b'{"schema_version": "7"}', "format version '7', and this grader reads '1'"),
        ],
    )
    def test_a_damaged_file_is_refused_in_plain_words(self, content, words, tmp_path):
        """Damage is the grader's fault and says the file and what is wrong with it."""
        path = tmp_path / "gradesheet.json"
        path.write_bytes(content)
        with pytest.raises(GraderFault, match=re.escape(words)) as caught:
            load_gradesheet(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_a_missing_file_is_refused_in_plain_words(self, tmp_path):
        """A gradesheet that is not there is a fault of the grader, too."""
        with pytest.raises(GraderFault, match="No such file"):
            load_gradesheet(tmp_path / "gradesheet.json")


class TestWriting:
    """How reports reach the disk."""

    def test_the_files_are_named_and_complete(self, tmp_path):
        """The folder is made, and holds the four reports and nothing else."""
        folder = tmp_path / "results" / "group_07"
        paths = write_reports(SHEETS["mixed"].sheet, RUBRIC, folder)
        assert {kind: path.name for kind, path in paths.items()} == {
            "gradesheet": "gradesheet.json",
            "report": "report.html",
            "notebook": "feedback.ipynb",
            "junit": "junit.xml",
        }
        assert sorted(folder.iterdir()) == sorted(paths.values())

    @pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace"])
    def test_a_failure_leaves_the_old_file_alone(self, step, tmp_path, monkeypatch):
        """An exception before the last step leaves the old content and no other file."""
        path = tmp_path / "report.html"
        path.write_bytes(b"old")

        def fails(*_arguments):
            raise KeyboardInterrupt

        monkeypatch.setattr(step, fails)
        with pytest.raises(KeyboardInterrupt):
            write_atomically(path, b"new")
        assert path.read_bytes() == b"old"
        assert list(tmp_path.iterdir()) == [path]

    def test_a_report_that_cannot_be_rendered_replaces_none(self, tmp_path, monkeypatch):
        """All reports are rendered before the first is written."""
        write_reports(SHEETS["starter"].sheet, RUBRIC, tmp_path)
        before = {path: path.read_bytes() for path in tmp_path.iterdir()}

        def fails(_sheet):
            raise RuntimeError

        monkeypatch.setattr("grader.reports.gradesheet_junit", fails)
        with pytest.raises(RuntimeError):
            write_reports(SHEETS["mixed"].sheet, RUBRIC, tmp_path)
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before

    def test_a_folder_that_cannot_be_made_is_a_fault_in_plain_words(self, tmp_path):
        """Where a file stands in the way, the message names the folder."""
        blocked = tmp_path / "results"
        blocked.write_text("a file")
        with pytest.raises(GraderFault, match=re.escape(str(blocked))):
            write_reports(SHEETS["mixed"].sheet, RUBRIC, blocked)

    def test_line_ends_are_the_same_on_every_system(self, tmp_path):
        """No report holds a carriage return."""
        for path in write_reports(gradesheets.hostile(HOSTILE["lines"]), RUBRIC, tmp_path).values():
            assert b"\r" not in path.read_bytes()
