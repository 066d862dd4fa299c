"""`feedback.ipynb`: a valid notebook that runs by itself, tells a group what it may know, and takes no orders."""

import ast
import base64
import io
import json
import re
from functools import cache

import nbformat
import pytest
from markdown_it import MarkdownIt
from nbclient import NotebookClient
from PIL import Image

from grader.reports.markdown import block, code, prose
from grader.reports.notebook import code_cells, data_cell, gradesheet_notebook, training_data, variable_name
from grader.reports.pictures import class_colors, training_pictures
from grader.reports.text import visible
from tests.harness import gradesheets, smoke_trainings
from tests.harness.gradesheets import RUBRIC
from tests.harness.report_examples import HOSTILE, SHEETS, Example, Page, every_sheet, rendered

TRAINED = SHEETS["trained"]
ELEMENTS = {
    *("h1", "h2", "h3", "p", "ul", "li", "strong", "em", "code", "pre", "br"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
MARKDOWN = {
    "backticks": "`code` ``` fence ``` ``x`` `",
    "fences": "```\n<script>alert(1)</script>\n```\n~~~\nx",
    "picture": "![x](http://example.org/x.png)",
    "link": "[x](javascript:alert(1)) [y]: http://example.org <http://example.org> http://example.org www.example.org",
    "formula": "$$\\href{javascript:alert(1)}{x}$$ $x$ \\(x\\) \\[x\\] \\begin{align}x\\end{align}",
    "end of code": "</code></pre><script>alert(1)</script><iframe src=x></iframe>",
    "references": "&lt;script&gt; &#60;b&#62; &amp;",
    "emphasis": "**bold** _emphasis_ ~~gone~~ # heading\n# heading\n===\n---\n* * *",
    "table": "| a | b |\n| --- | --- |\n| 1 | 2 |",
    "list": "- one\n1. two\n> quoted\n    indented",
    "quotes": '"""); import os; os.system("x") # \'\'\' """',
    "html block": "<!-- x\n<div onclick='alert(1)'>\n\n<style>*{display:none}</style>",
}
TEXTS = HOSTILE | MARKDOWN
every_text = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())


@cache
def notebook(example: Example) -> nbformat.NotebookNode:
    """The notebook of an example, as Jupyter reads it."""
    return nbformat.reads(rendered(example)["notebook"], as_version=4)


def cells(example: Example, kind: str) -> dict[str, nbformat.NotebookNode]:
    """The cells of a kind by their id."""
    return {cell.id: cell for cell in notebook(example).cells if cell.cell_type == kind}


def page(markdown: str) -> Page:
    """What a browser finds in a rendered cell."""
    return Page(MarkdownIt("commonmark").enable("table").render(markdown))


def told(example: Example) -> str:
    """The text that a reader finds in the notebook's Markdown, on one line."""
    shown = (page(cell.source).text for cell in cells(example, "markdown").values())
    return " ".join(" ".join(shown).split())


class TestForm:
    """A notebook as nbformat wants it."""

    @every_sheet
    def test_it_is_valid(self, example):
        """It has format 4.5, a kernel, and ids that occur once."""
        found = notebook(example)
        nbformat.validate(found)
        assert (found.nbformat, found.nbformat_minor) == (4, 5)
        assert found.metadata.kernelspec.name == "python3"
        assert len({cell.id for cell in found.cells}) == len(found.cells)

    def test_it_looks_as_if_it_had_been_run(self):
        """Code cells are numbered in order, and each picture's cell shows that picture."""
        code = cells(TRAINED, "code")
        assert [cell.execution_count for cell in code.values()] == list(range(1, len(code) + 1))
        for number, training in enumerate(TRAINED.sheet.trainings):
            for picture in training_pictures(training):
                (output,) = code[f"training-{number}-{picture.name}-code"].outputs
                assert base64.b64decode(output.data["image/png"]) == picture.png
                assert output.metadata["image/png"].alt == picture.alt

    def test_without_trainings_there_is_no_code(self):
        """Summary and items alone need no kernel."""
        assert not cells(SHEETS["mixed"], "code")
        assert "Smoke trainings" not in told(SHEETS["mixed"])

    def test_it_stays_small(self):
        """Two trainings with pictures and data take less than half a megabyte."""
        assert len(rendered(TRAINED)["notebook"]) < 500_000


class TestRunning:
    """The code, where neither the grader nor any file of it is."""

    def test_it_runs_to_its_end_and_draws_every_picture(self, tmp_path, monkeypatch):
        """In a fresh kernel and an empty folder, each cell that has a picture gives one, and nothing else is said."""
        for variable in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR"):
            monkeypatch.setenv(variable, str(tmp_path / variable))
        monkeypatch.delenv("PYTHONPATH", raising=False)
        empty = tmp_path / "empty"
        empty.mkdir()
        ended = SHEETS["trained"].sheet.trainings
        sheet = TRAINED.sheet.model_copy(update={"trainings": (*ended, smoke_trainings.bare("broke off"))})
        fresh = nbformat.reads(gradesheet_notebook(sheet, RUBRIC), as_version=4)
        drawn = {cell.id for cell in fresh.cells if cell.pop("outputs", None)}
        for cell in fresh.cells:
            if cell.cell_type == "code":
                cell.outputs = []
        NotebookClient(fresh, timeout=60, kernel_name="python3", resources={"metadata": {"path": str(empty)}}).execute()
        for cell in fresh.cells:
            outputs = cell.get("outputs", [])
            assert [output.output_type for output in outputs] == ["display_data"] * (cell.id in drawn)
            for output in outputs:
                with Image.open(io.BytesIO(base64.b64decode(output.data["image/png"]))) as image:
                    assert image.width > 400
        assert len(drawn) == 8

    def test_it_imports_what_every_student_has(self):
        """The code imports the standard library, numpy, matplotlib and pillow, and opens no file."""
        trees = [ast.parse(cell.source) for cell in cells(TRAINED, "code").values()]
        nodes = [node for tree in trees for node in ast.walk(tree)]
        names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
        assert {name.partition(".")[0] for name in names} == {"base64", "io", "json", "matplotlib", "numpy", "PIL"}
        assert not [node for node in nodes if isinstance(node, ast.Name) and node.id == "open"]

    def test_its_code_fits_a_screen(self):
        """No line of code, but for the data, is wider than a notebook shows without scrolling."""
        code = code_cells()
        assert max(len(line) for source in code.values() for line in source.splitlines()) <= 100
        assert max(len(source.splitlines()) for source in code.values()) <= 30

    def test_the_data_are_those_of_the_pictures(self):
        """The cell of data gives back curves, band, published run, classes, confusions and images."""
        training = TRAINED.sheet.trainings[0]
        data = run_cell(data_cell("fcn_data", training, training_pictures(training)))
        unseen = training.unseen
        assert data["run"]["val_miou"]["values"] == list(training.run.val_miou.values)
        assert data["band"]["low"]["train_loss"]["values"] == list(training.band.low.train_loss.values)
        assert data["published"]["val_miou"]["steps"][-1] == 30
        assert data["unseen"]["confusion"] == [list(row) for row in unseen.confusion]
        assert data["unseen"]["samples"][3]["predicted"] == unseen.samples[3].predicted
        assert data["colors"] == list(class_colors(3))

    @every_text
    def test_no_text_gets_out_of_the_data(self, text):
        """Whatever a training or a class is named, the cell of data is one assignment of one string."""
        good = smoke_trainings.as_good()
        unseen = good.unseen.model_copy(update={"classes": (text, text, text)})
        training = good.model_copy(update={"name": text, "unseen": unseen})
        source = data_cell(variable_name(3, training), training, ())
        (assignment,) = ast.parse(source).body
        assert assignment.targets[0].id == "training_3_data"
        assert isinstance(assignment.value.args[0], ast.Constant)
        assert run_cell(source)["unseen"] == json.loads(json.dumps(training_data(training, set())["unseen"]))

    @pytest.mark.parametrize(
        ("name", "variable"), [("fcn", "fcn_data"), ("lambda", "training_0_data"), ("", "training_0_data")]
    )
    def test_variables_have_the_names_of_trainings(self, name, variable):
        """Where a training's name can be one of Python's, its data carry it."""
        assert variable_name(0, smoke_trainings.bare(name)) == variable


class TestWhatItTells:
    """The text."""

    def test_failures_are_told_in_full(self):
        """What failed, with message, both values, example, place and hint, and the points of every part."""
        text = told(SHEETS["mixed"])
        finding = gradesheets.WRONG_MEAN
        for words in (finding.message, finding.expected, finding.found, finding.where, finding.hint, finding.example):
            assert " ".join(words.split()) in text
        for part in SHEETS["mixed"].sheet.parts:
            assert part.title in text
        assert "Traceback" in text
        assert "Your tutor judges 2 more items: up to 8 points and 2 bonus points." in text

    def test_hidden_items_are_counted_only(self):
        """Neither title nor message of a hidden check is in the file, and a reader learns that there is one."""
        for outcome in (gradesheets.fails, gradesheets.waits):
            message = "no tensor was loaded"
            finding = gradesheets.Finding(message=message) if outcome is gradesheets.fails else message
            sheet = gradesheets.Sheet(ends={"segformer.frozen": outcome("segformer.frozen", finding)}).build()
            text = gradesheet_notebook(sheet, RUBRIC)
            assert "frozen" not in text
            assert message not in text
            assert "1 check hidden until grades are published" in text

    def test_each_training_is_told(self):
        """Verdict, explanation, numbers and command, and every picture in words."""
        text = told(TRAINED)
        for training in TRAINED.sheet.trainings:
            assert f"{training.title}: {training.verdict}" in text
            assert training.explanation in text
            assert training.command in text
            for picture in training_pictures(training):
                assert picture.caption in text
                assert picture.alt in text

    def test_a_run_that_was_stopped_says_that_its_points_are_not_final(self):
        """Stopping early and faults of the grader are said beside the points."""
        assert "not final" in told(SHEETS["interrupted"])
        assert "The grader itself failed" in told(SHEETS["faulty"])
        assert "Every check passed." in told(SHEETS["all passed"])


class TestHostileText:
    """What a submission says, in Markdown."""

    @every_text
    @pytest.mark.parametrize("shape", [prose, code, block])
    def test_text_is_shown_as_it_is(self, shape, text):
        """Rendered, it is the visible text, in none but our own elements, without a single attribute."""
        before = "" if shape is block else "before "
        found = page(before + shape(text).replace("<br>", "<br>\n"))
        assert {tag for tag, _ in found.elements} <= {"p", "code", "pre", "br"}
        assert not any(attributes for _, attributes in found.elements)
        if shape is prose:  # blanks and line ends may change, as in any paragraph
            assert found.text.split() == (before + visible(text)).split()
        else:
            assert found.text.rstrip("\n") == (before + visible(text)).rstrip("\n")

    @every_text
    def test_a_submission_cannot_add_elements(self, text):
        """The notebook has the elements of its own Markdown, whatever the submission says, and no attributes."""
        sheet = gradesheets.hostile(text)
        for cell in nbformat.reads(gradesheet_notebook(sheet, RUBRIC), as_version=4).cells:
            if cell.cell_type == "markdown":
                found = page(cell.source)
                assert {tag for tag, _ in found.elements} <= ELEMENTS
                assert {name for _, attributes in found.elements for name in attributes} <= {"style"}
                assert all(attributes in ({}, {"style": "text-align:right"}) for _, attributes in found.elements)

    @every_text
    def test_no_formula_begins_outside_of_code(self, text):
        """MathJax looks at text outside of code: there is neither a dollar nor a backslash in it."""
        sheet = gradesheets.hostile(text)
        for cell in nbformat.reads(gradesheet_notebook(sheet, RUBRIC), as_version=4).cells:
            if cell.cell_type == "markdown":
                assert not set("$\\") & set(cell.source)
                html = MarkdownIt("commonmark").enable("table").render(cell.source)
                outside = re.sub(r"<(code|pre)>.*?</\1>", "", html, flags=re.DOTALL)
                assert not set("$\\") & set(Page(outside).text)


def run_cell(source: str) -> dict:
    """What a cell of data assigns."""
    space: dict = {"json": json}
    exec(source, space)  # our own code, as a kernel runs it
    (value,) = [value for name, value in space.items() if name.endswith("_data")]
    return value
