"""Names in a submission: shown without harm, and made clean or refused."""

import re
import unicodedata

from grader.errors import SubmissionRejected
from grader.intake.listing import AGAIN, Caps

RENAME = "Rename it, using letters, digits, '_', '-' and '.', and zip again."
SHOWN = 120

# They change the order in which a line is shown, so that a name reads as another one.
BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
UNUSABLE = {
    "Cc": "a control character",
    "Cs": "bytes that are no text",
    "Zl": "a line break",
    "Zp": "a line break",
}
DRIVE = re.compile(r"[A-Za-z]:")


def escaped(name: str) -> str:
    r"""The name as a report may show it: odd characters as `\x1b`, the middle of a long one left out."""
    if len(name) > SHOWN:
        left_out = len(name) - SHOWN
        return f"{escaped(name[: SHOWN // 2])}[... {left_out} characters ...]{escaped(name[-SHOWN // 2 :])}"
    return "".join(char if char.isprintable() and char != "\\" else _escape(char) for char in name)


def quoted(name: str) -> str:
    """The name for use within a sentence."""
    return f"'{escaped(name)}'"


def clean_path(raw: str, caps: Caps) -> str:
    r"""The path in NFC with forward slashes, without empty and `.` parts; `` when nothing is left.

    Raises:
        SubmissionRejected: it leads out of the folder, cannot be shown or stored, or is too long.
    """
    path = unicodedata.normalize("NFC", raw).replace("\\", "/")
    _refuse_odd_characters(path, raw)
    if path.startswith("/") or DRIVE.match(path):
        kind = "a network path" if path.startswith("//") else "an absolute path"
        raise SubmissionRejected(f"The entry {quoted(raw)} has {kind}.", AGAIN)
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise SubmissionRejected(f"The entry {quoted(raw)} leads out of its folder ('..').", AGAIN)
    _refuse_lengths(parts, raw, caps)
    return "/".join(parts)


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode()


def _refuse_odd_characters(path: str, raw: str) -> None:
    if path.isprintable():
        return
    for char in path:
        what = "a character that reverses text" if char in BIDI else UNUSABLE.get(unicodedata.category(char))
        if what:
            raise SubmissionRejected(f"The name {quoted(raw)} contains {what} ({_escape(char)}).", RENAME)


def _refuse_lengths(parts: list[str], raw: str, caps: Caps) -> None:
    longest = max((len(part.encode()) for part in parts), default=0)
    length = len("/".join(parts).encode())
    for what, found, most in (
        ("bytes in one name", longest, caps.component_bytes),
        ("bytes in its path", length, caps.path_bytes),
        ("levels of folders", len(parts), caps.depth),
    ):
        if found > most:
            problem = f"The name {quoted(raw)} is too long: {found:,} {what}, at most {most:,} are allowed."
            raise SubmissionRejected(problem, "Shorten it and zip again.")
