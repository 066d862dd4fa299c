"""The hand-in's report. A PDF is a stranger's file, so it is only opened inside the sandbox."""

import os
import re
from pathlib import Path
from typing import Any

PAINTING = re.compile(rb"\s(?:S|s|f|F|f\*|B|B\*|b|b\*|sh)(?=\s)")
PAINTED_OBJECT = re.compile(rb"(/[^\s/<>\[\]()]+)\s+Do(?=\s|$)")
MANY_STROKES = 40


def report() -> dict[str, Any]:
    """Read `report.pdf` as far as a program can.

    Returns:
        `problem` (None when it can be read), `pages`, and `drawn`: pages with an embedded picture or a drawing. The
        numbers are None where a person can open the file and this program cannot.
    """
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, PyPdfError

    path = Path(os.environ["GRADER_SUBMISSION"], "report.pdf")
    if not path.read_bytes().lstrip()[:5].startswith(b"%PDF-"):
        return _unreadable("it is no PDF file, whatever its name says")
    try:
        reader = PdfReader(path)
        if reader.is_encrypted and not reader.decrypt(""):
            return _unreadable("it is encrypted with a password")
        return {"problem": None, "pages": len(reader.pages), "drawn": sum(map(_drawn, reader.pages))}
    except DependencyError:
        return {"problem": None, "pages": None, "drawn": None}
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as error:
        return _unreadable(f"it is damaged ({type(error).__name__}: {error})"[:300])


def _unreadable(problem: str) -> dict[str, Any]:
    return {"problem": problem, "pages": 0, "drawn": 0}


def _drawn(page: Any) -> bool:
    """Whether a page shows a picture or a figure, or paints so many paths that it must be drawing one."""
    contents = page.get_contents()
    data = contents.get_data() if contents is not None else b""
    objects = _resolved(_resolved(page.get("/Resources", {})).get("/XObject", {}))
    shown = {name.decode(errors="replace") for name in PAINTED_OBJECT.findall(data)}
    return bool(shown & set(objects)) or len(PAINTING.findall(data)) > MANY_STROKES


def _resolved(entry: Any) -> Any:
    return entry.get_object() if hasattr(entry, "get_object") else entry
