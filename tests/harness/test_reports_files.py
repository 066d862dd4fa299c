"""`report.html` and `junit.xml`: what they hold, and what a submission cannot make of them."""

import base64
import hashlib
import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest

from grader.reports.text import visible
from tests.harness import gradesheets
from tests.harness.report_examples import (
    HOSTILE,
    HOSTILE_SHEETS,
    SHEETS,
    Example,
    Page,
    every_sheet,
    rendered,
)

ELEMENTS = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "main",
        "header",
        "nav",
        "section",
        "article",
        "details",
    ),
    *(
        "summary",
        "h1",
        "h2",
        "h3",
        "h4",
        "div",
        "p",
        "span",
        "b",
        "a",
        "ul",
        "li",
        "dl",
        "dt",
        "dd",
        "pre",
        "code",
    ),
    *("figure", "img", "figcaption"),
}


class TestHtml:
    """`report.html`."""

    @every_sheet
    def test_a_submission_cannot_add_elements(self, example):
        """The page has the elements of its template and no others, whatever the submission says."""
        page = Page(rendered(example)["report"])
        assert {tag for tag, _ in page.elements} <= ELEMENTS
        attributes = {name for _, found in page.elements for name in found}
        assert not {name for name in attributes if name.startswith("on") or name == "style"}
        assert all(tag == "img" for tag, found in page.elements if "src" in found)

    @every_sheet
    def test_the_page_needs_nothing_but_itself(self, example):
        """There is no reference to any other file or host; every link stays on the page and arrives."""
        source = rendered(example)["report"]
        page = Page(source)
        ids = [found["id"] for _, found in page.elements if "id" in found]
        assert len(ids) == len(set(ids))
        assert {found["href"] for found in page.all("a")} <= {f"#{name}" for name in ids}
        assert all(found["src"].startswith("data:image/png;base64,") for found in page.all("img"))
        style = source[source.index("<style>") : source.index("</style>")]
        assert not re.search(r"url\(|@import|https?:", style)

    @every_sheet
    def test_the_content_security_policy_allows_this_style_sheet_alone(self, example):
        """No script, no request, no image but those in the page, and the style sheet whose hash is stated."""
        source = rendered(example)["report"]
        (style,) = re.findall(r"<style>(.*?)</style>", source, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        (policy,) = [found["content"] for found in Page(source).all("meta") if "http-equiv" in found]
        rest = "img-src data:; base-uri 'none'; form-action 'none'"
        assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; {rest}"

    @every_sheet
    def test_no_invisible_character_reaches_the_page(self, example):
        """Control and bidirectional characters are escaped visibly."""
        assert all(char == "\n" or char.isprintable() for char in rendered(example)["report"])

    def test_template_language_in_a_message_is_text(self):
        """Braces of a submission are not evaluated."""
        text = Page(rendered(HOSTILE_SHEETS["template"])["report"]).text
        assert HOSTILE["template"] in text
        assert "49" not in text

    def test_an_item_is_told_in_full(self):
        """Title, state, points, message, both values, example, place, hint and print are on the page."""
        text = Page(rendered(SHEETS["mixed"])["report"]).text
        for words in (
            "A class that never occurs counts as 0",
            "not started yet",
            "hidden until grades are published",
            gradesheets.WRONG_MEAN.message,
            gradesheets.WRONG_MEAN.example,
            gradesheets.WRONG_MEAN.hint,
            "dlvc/metrics.py:48",
            "epoch 2",
            gradesheets.CRASH.traceback.strip(),
        ):
            assert words in text

    def test_a_tutor_finds_what_to_judge_and_how_it_was_graded(self):
        """Tutor's items, notes, flags, seed, isolation, versions and digest are on the page."""
        mixed, flags = SHEETS["mixed"].sheet, SHEETS["faulty"].sheet.flags
        text = Page(rendered(Example(mixed.model_copy(update={"flags": flags})))["report"]).text
        for words in (
            "Question 4",
            "The wrapper folder was taken off.",
            "torch.allclose was replaced",
            "20240528",
            "bubblewrap",
            "torch 2.11.0+cpu",
            mixed.submission.digest,
        ):
            assert words in text

    def test_states_are_told_in_words(self):
        """No state is told by colour or symbol alone: its word is in the item."""
        source = rendered(SHEETS["mixed"])["report"]
        for item in re.findall(r"<article.*?</article>", source, re.DOTALL):
            words = ("passed", "failed", "not started yet", "not judged", "not given yet")
            assert any(word in Page(item).text for word in words)

    def test_headings_step_down_one_by_one(self):
        """No level of heading is left out, so that a screen reader's outline holds."""
        page = Page(rendered(SHEETS["mixed"])["report"])
        levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after <= before + 1 for before, after in pairwise(levels))


class TestJunit:
    """`junit.xml`."""

    @every_sheet
    def test_the_structure_is_the_one_that_ci_reads(self, example):
        """Suites hold properties and cases, cases at most one verdict and a log, and the numbers add up."""
        root = ET.fromstring(rendered(example)["junit"])
        assert root.tag == "testsuites"
        assert [suite.get("name") for suite in root] == [part.title for part in example.sheet.parts]
        for suite in root:
            assert_is_suite(suite)
        cases = root.findall("testsuite/testcase")
        assert len(cases) == len(example.sheet.items) == int(root.get("tests"))

    @every_sheet
    def test_names_are_unique(self, example):
        """GitLab drops cases of equal names, so there are none."""
        cases = ET.fromstring(rendered(example)["junit"]).findall("testsuite/testcase")
        assert len({(case.get("classname"), case.get("name")) for case in cases}) == len(cases)

    def test_a_failure_is_complete_in_its_content(self):
        """GitLab shows the content: message, where, both values, example and hint are in it."""
        failure = case_of(rendered(SHEETS["mixed"])["junit"], "metrics.absent_classes").find("failure")
        finding = gradesheets.WRONG_MEAN
        assert failure.get("message") == finding.message
        told = (
            finding.message,
            finding.where,
            finding.expected,
            finding.found,
            finding.example,
            finding.hint,
        )
        assert all(words in failure.text for words in told)

    def test_what_was_not_judged_is_skipped_with_its_reason(self):
        """An unscored check is neither passed nor failed."""
        skipped = case_of(rendered(SHEETS["mixed"])["junit"], "trainer.cuda").find("skipped")
        assert skipped.get("message") == "Needs a GPU, and this machine has none."

    def test_a_fault_of_the_grader_is_an_error(self):
        """A fault of the grader is told from a failure of the submission."""
        case = case_of(rendered(SHEETS["faulty"])["junit"], "metrics.text")
        assert case.find("error") is not None
        assert case.find("failure") is None

    def test_a_suite_tells_how_it_was_graded(self):
        """Seed, digest and isolation are properties."""
        sheet = SHEETS["mixed"].sheet
        suite = ET.fromstring(rendered(SHEETS["mixed"])["junit"])[0]
        properties = {each.get("name"): each.get("value") for each in suite.iter("property")}
        assert properties["seed"] == str(sheet.seed)
        assert properties["digest"] == sheet.submission.digest
        assert properties["isolation"] == "bubblewrap"

    @pytest.mark.parametrize("text", ["ansi", "illegal in xml", "bidi"])
    def test_illegal_characters_stay_readable(self, text):
        """What XML forbids is in the report as its escape."""
        failure = case_of(rendered(HOSTILE_SHEETS[text])["junit"], "metrics.text").find("failure")
        assert visible(HOSTILE[text]) in failure.text


def case_of(source: str, check: str) -> ET.Element:
    """The case of a check."""
    cases = ET.fromstring(source).iter("testcase")
    (case,) = [each for each in cases if each.get("name").endswith(f"({check})")]
    return case


def assert_is_suite(suite: ET.Element) -> None:
    """Check one suite against the JUnit schema that Jenkins, GitLab and GitHub's actions share."""
    assert suite.tag == "testsuite"
    assert set(suite.attrib) == {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"}
    assert [child.tag for child in suite] == ["properties"] + ["testcase"] * (len(suite) - 1)
    verdicts = []
    for case in suite.findall("testcase"):
        assert set(case.attrib) == {"classname", "name", "time"}
        ends = [child.tag for child in case if child.tag != "system-out"]
        assert len(ends) <= 1
        assert [child.tag for child in case] in (ends, [*ends, "system-out"])
        verdicts += ends
    assert int(suite.get("tests")) == len(suite) - 1
    for attribute, tag in {"failures": "failure", "errors": "error", "skipped": "skipped"}.items():
        assert int(suite.get(attribute)) == verdicts.count(tag)
