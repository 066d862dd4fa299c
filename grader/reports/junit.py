"""`junit.xml`: the gradesheet for CI. A part is a suite, a check is a case; a tutor's items are no cases.

GitLab shows a failure's content rather than its message and drops cases of equal names, so the content is
complete and each name ends in the check's id.
"""

from collections.abc import Iterable
from xml.etree import ElementTree as ET

from grader.records import Gradesheet, Item, PartScore
from grader.reports.overview import State, facts, state, tally
from grader.reports.text import excerpt, of_possible, one_line, redrawn, visible

_ELEMENT = {
    State.FAILED: "failure",
    State.NOT_STARTED: "failure",
    State.UNSCORED: "skipped",
    State.FAULT: "error",
}


def gradesheet_junit(sheet: Gradesheet) -> str:
    """The gradesheet as JUnit XML; characters that XML forbids are escaped visibly."""
    root = ET.Element(
        "testsuites", {"name": one_line(sheet.submission.name, chars=100), **_numbers(sheet, sheet.items)}
    )
    for part in sheet.parts:
        root.append(_suite(sheet, part))
    ET.indent(root)
    body = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _suite(sheet: Gradesheet, part: PartScore) -> ET.Element:
    items = [item for item in sheet.items if item.part == part.id]
    attributes = {"name": visible(part.title), **_numbers(sheet, items)}
    suite = ET.Element("testsuite", attributes | {"timestamp": visible(sheet.timings.graded_at)})
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(sheet, part).items():
        ET.SubElement(properties, "property", {"name": name, "value": visible(value)})
    for item in items:
        suite.append(_case(item, part, sheet.timings.checks.get(item.check, 0)))
    return suite


def _case(item: Item, part: PartScore, seconds: float) -> ET.Element:
    attributes = {
        "classname": visible(part.title),
        "name": f"{visible(item.title)} ({item.check})",
        "time": f"{seconds:.3f}",
    }
    case = ET.Element("testcase", attributes)
    finding, ended = item.outcome.finding, state(item)
    if ended in _ELEMENT:
        end = ET.SubElement(case, _ELEMENT[ended], {"message": one_line(finding.message, chars=300)})
        if ended is not State.UNSCORED:
            end.set("type", ended.value)
        end.text = _content(item)
    if finding.log:
        ET.SubElement(case, "system-out").text = excerpt(redrawn(finding.log), lines=200, chars=20_000, head=0.2)
    return case


def _content(item: Item) -> str:
    """All that is known about a case, readable by itself."""
    finding = item.outcome.finding
    rows = [excerpt(finding.message, lines=100, chars=8_000)]
    for label, text in facts(finding).items():
        shown = excerpt(text, lines=100, chars=8_000)
        rows.append(f"{label}:\n{shown}" if "\n" in shown else f"{label}: {shown}")
    rows.append(f"points: {of_possible(item.points.earned, item.points.possible)}, {state(item)}")
    if finding.traceback:
        rows.append(excerpt(finding.traceback, lines=200, chars=20_000, head=0.2))
    return "\n".join(rows)


def _numbers(sheet: Gradesheet, items: Iterable[Item]) -> dict[str, str]:
    items = tuple(items)
    numbers = tally(items)
    seconds = sum(sheet.timings.checks.get(item.check, 0) for item in items)
    return {
        "tests": str(len(items)),
        "failures": str(numbers.get(State.FAILED, 0) + numbers.get(State.NOT_STARTED, 0)),
        "errors": str(numbers.get(State.FAULT, 0)),
        "skipped": str(numbers.get(State.UNSCORED, 0)),
        "time": f"{seconds:.3f}",
    }


def _properties(sheet: Gradesheet, part: PartScore) -> dict[str, str]:
    return {
        "seed": str(sheet.seed),
        "digest": sheet.submission.digest,
        "isolation": sheet.environment.isolation.value,
        "grader": sheet.environment.grader,
        "complete": str(sheet.complete).lower(),
        "points": of_possible(part.points.earned, part.points.possible),
    }
