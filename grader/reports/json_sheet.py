"""`gradesheet.json`: the record itself, and the JSON Schema that other programs can read it by."""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from grader.errors import GraderFault
from grader.files import write_atomically
from grader.records import SCHEMA_VERSION, Gradesheet
from grader.reports.text import escaped, visible

SCHEMA_FILE = Path(__file__).parents[1] / "schemas" / "gradesheet.schema.json"


def gradesheet_json(sheet: Gradesheet) -> str:
    r"""The gradesheet as indented JSON that is safe to print.

    Invisible characters are JSON escapes, so nothing that a submission said acts on a terminal, and reading
    gives them back. Only a lone surrogate cannot be written in JSON that everyone reads; it stays as its
    name, `\ud800`.
    """
    raw = json.dumps(sheet.model_dump(mode="json"), indent=2, ensure_ascii=False, allow_nan=False)
    return "".join(char if char == "\n" or char.isprintable() else _json_escape(char) for char in raw) + "\n"


def load_gradesheet(path: Path) -> Gradesheet:
    """Read a gradesheet that `write_reports` wrote.

    Raises:
        GraderFault: the file cannot be read, is damaged, or has another version; the message says which.
    """
    try:
        return Gradesheet.model_validate_json(path.read_bytes())
    except OSError as error:
        raise GraderFault(f"The gradesheet {path} cannot be read: {error.strerror or error}.") from error
    except ValidationError as error:
        raise GraderFault(f"The gradesheet {path} cannot be used: {_first_problem(error)}") from error


def gradesheet_schema() -> dict[str, Any]:
    """The JSON Schema of `gradesheet.json`, generated from the records."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:segcourse-grader:gradesheet:{SCHEMA_VERSION}",
        **Gradesheet.model_json_schema(mode="serialization"),
        "title": "Gradesheet",
        "description": (
            "The result of grading one submission. Points are split three ways and add up: what was earned, "
            "what was lost, and what is open since nobody has judged it yet."
        ),
    }


def write_schema(path: Path = SCHEMA_FILE) -> Path:
    """Publish the schema again, after the records have changed."""
    write_atomically(path, (json.dumps(gradesheet_schema(), indent=2) + "\n").encode())
    return path


def _json_escape(char: str) -> str:
    if "\ud800" <= char <= "\udfff":
        return "\\" + escaped(char)
    return json.dumps(char)[1:-1]


def _first_problem(error: ValidationError) -> str:
    """One line about the most telling problem: a foreign version explains all others."""
    problems = error.errors(include_url=False)
    first = min(problems, key=lambda problem: problem["loc"] != ("schema_version",))
    if first["loc"] == ("schema_version",):
        found = visible(repr(first["input"]))
        return f"it has format version {found}, and this grader reads {SCHEMA_VERSION!r}."
    more = f" ({len(problems) - 1} more problems)" if len(problems) > 1 else ""
    return f"{_place(first)}{visible(first['msg'])}{more}."


def _place(problem: ErrorDetails) -> str:
    return "".join(f"{part}: " for part in [".".join(str(part) for part in problem["loc"])] if part)
