"""`python -m grader schema`: write the JSON Schema of the gradesheet again."""

from grader.commands.exit_codes import PASSED
from grader.reports import write_schema
from grader.reports.json_sheet import SCHEMA_FILE


def schema() -> int:
    """Write the JSON Schema of the gradesheet again."""
    write_schema(SCHEMA_FILE)
    return PASSED
