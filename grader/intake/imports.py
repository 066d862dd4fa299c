"""What the code of a clean tree imports, read line by line: hostile source is never parsed."""

import re
from collections.abc import Iterator
from pathlib import Path

SCAN_BYTES, TOTAL_BYTES = 1024**2, 32 * 1024**2
# No repetition can match what must follow it, so that the time is linear in the length of the text.
IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import\b[ \t]*(\([^)]*|[\w \t,]*)|import[ \t]+([\w.][\w. \t,]*))",
    re.M,
)
COMMENT = re.compile(r"#.*")


def modules_imported(tree: Path) -> set[str]:
    """Top-level names that the tree's Python files import, for preloading; prose may slip in."""
    return {name.partition(".")[0] for name in names_imported(tree)} - {""}


def names_imported(tree: Path) -> set[str]:
    """Dotted names that the tree's Python files import absolutely, `a.b` for `from a import b`."""
    return set().union(*(_names(_by_statement(text)) for text in sources(tree)))


def sources(tree: Path) -> Iterator[str]:
    """The beginnings of the tree's Python files, in their order, until there is enough of them."""
    left = TOTAL_BYTES
    for path in sorted(tree.rglob("*.py")):
        if path.is_file() and left > 0:
            with path.open("rb") as stream:
                text = stream.read(SCAN_BYTES).decode("utf-8-sig", errors="replace")
            left -= len(text)
            yield text


def _by_statement(text: str) -> str:
    return re.sub(r"[;\r]", "\n", text.replace("\\\n", " "))


def _names(text: str) -> set[str]:
    found = set[str]()
    for source, members, modules in IMPORT.findall(text):
        if source and not source.startswith("."):
            found |= {source} | {f"{source}.{name}" for name in _first_words(members.lstrip("("))}
        found |= _first_words(modules)
    return found


def _first_words(listed: str) -> set[str]:
    """The names of `a as b, c`, without what they are called."""
    return {words[0] for words in map(str.split, COMMENT.sub("", listed).split(",")) if words}
