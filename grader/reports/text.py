"""How text and points are shown, in every report alike.

Whatever a submission says (messages, values, paths, prints, names of files) is shown, never obeyed: a
character that a reader could not see, or that a terminal or a browser would act upon, is written as its
Python escape.
"""

MARGIN = 2  # lines that an excerpt may exceed its limit by, before anything is left out


def visible(text: str) -> str:
    r"""Write every control, bidirectional, zero-width, surrogate or unassigned character as its escape.

    Line ends stay (CRLF becomes LF) and a tab becomes blanks; all else that `str.isprintable` refuses, from
    the escape character (`\x1b`) to the right-to-left override (`\u202e`), becomes readable. What comes out
    is legal in XML, inert in a terminal, and comes out the same when it is made visible again.
    """
    text = text.replace("\r\n", "\n").expandtabs(4)
    if text.isprintable():
        return text
    return "".join(char if char == "\n" or char.isprintable() else escaped(char) for char in text)


def escaped(char: str) -> str:
    """The Python escape of one character."""
    return char.encode("unicode_escape").decode("ascii")


def one_line(text: str, *, chars: int) -> str:
    """The text on a single visible line of at most `chars` characters, the end left out if need be."""
    line = " ".join(visible(text[: 20 * chars]).split())
    return line if len(line) <= chars else f"{line[: max(chars - 1, 1)].rstrip()}…"


def excerpt(text: str, *, lines: int, chars: int, head: float = 0.6) -> str:
    """The text, made visible; of a long one beginning and end, and how much was left out between them.

    Args:
        text: what to show.
        lines: about how many lines to keep.
        chars: about how many characters to keep.
        head: the share of them that is taken from the beginning; a traceback says most at its end.
    """
    text = text.replace("\r\n", "\n").strip("\n")
    rows = text.split("\n")
    if len(rows) > lines + MARGIN:
        first = round(lines * head)
        last = len(rows) - (lines - first)
        text = "\n".join([*rows[:first], f"[… {last - first:,} lines left out …]", *rows[last:]])
    if len(text) > chars:
        first = round(chars * head)
        last = len(text) - (chars - first)
        marker = f"[… {last - first:,} characters left out …]"
        text = " ".join(part for part in (text[:first], marker, text[last:]) if part)
    return visible(text)


def redrawn(log: str) -> str:
    """A log as a terminal would have left it: of a progress bar that redraws its line, the last state."""
    lines = log.replace("\r\n", "\n").split("\n")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)


def amount(points: float) -> str:
    """A number of points as people write it: 3, 2.5, 0.33."""
    return f"{points:.2f}".rstrip("0").rstrip(".")


def of_possible(earned: float, possible: float) -> str:
    """Points with their unit: `2.5 of 3 points`, `0 of 1 point`."""
    return f"{amount(earned)} of {amount(possible)} {'point' if amount(possible) == '1' else 'points'}"


def counted(number: int, noun: str) -> str:
    """A number of things: `1 check`, `3 checks`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
