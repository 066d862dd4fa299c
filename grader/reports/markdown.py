"""Text in Markdown cells: shown as it is, whatever a submission says.

Theory of safety: a cell is read by several Markdown dialects, by an HTML parser that lets elements through, and then
by MathJax, which looks for formulas in what is shown. Backslashes would escape for some of them and open a formula
for others. So every character that is no letter, digit or blank becomes a numeric reference: to Markdown that is
plain text, never structure, and an HTML parser reads the character back as text. What begins a formula, `$` and the
backslash, also stands in a `<code>` of its own, where MathJax does not look. Invisible characters become visible
before.
"""

from grader.reports.text import visible

_MATHEMATICAL = "$\\"


def prose(text: str) -> str:
    """Return text for a paragraph, a heading or a cell of a table; line ends become `<br>`, blanks around it go."""
    lines = visible(text).strip().split("\n")
    return "<br>".join("".join(_in_prose(char) for char in line) for line in lines)


def code(text: str) -> str:
    """Return text for within a line, in the letters of code."""
    return f"<code>{_literal(text)}</code>"


def block(text: str) -> str:
    """Return text as a paragraph of its own in the letters of code, blanks and line ends kept."""
    return f"<pre>{_literal(text)}</pre>"


def _literal(text: str) -> str:
    return "".join(map(_reference, visible(text)))


def _in_prose(char: str) -> str:
    return f"<code>{_reference(char)}</code>" if char in _MATHEMATICAL else _reference(char)


def _reference(char: str) -> str:
    return char if char.isalnum() or char == " " else f"&#{ord(char)};"
