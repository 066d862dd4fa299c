"""Command lines that a hand-in's authors have written down: how to run a script, in its docstring or beside it."""

import re
import shlex
from pathlib import Path

MOST, MOST_BYTES = 20, 1 << 16
TEXTS = ("*.md", "*.txt", "*.sh", "*.slurm", "*.bat", "*.job", "README*", "Makefile", "*/*.sh", "*/*.slurm")
VARIABLES = r"(?:\b[A-Z_]{2,}=\S+\s+)*"
COMMAND = re.compile(
    rf"({VARIABLES})\bpython3?\s+(?:-u\s+)?(\S+\.py)([^\n`|&;]*?)(?=\s*(?:\bor\b|,)?\s*{VARIABLES}\bpython3?\s|[`|&;]|$)"
)
# After a command, a reader is told what it does: behind two spaces, a sign, or the second command of a line.
REMARK = re.compile(r"\s{2,}|\s[#,(→]|\s->|\s-\s|\bor\s|,\s")
# A place for something else, not a word to type.
PLACE = re.compile(r"[\[\]<>{}$*…]|\.\.\.|^[A-Z]{3,}$")


def documented(root: Path, script: str) -> list[dict[str, list[str]]]:
    """The command lines for a script, as variables of the environment (`NAME=value`) and arguments."""
    texts = [path for pattern in TEXTS for path in sorted(root.glob(pattern))] + [root / script]
    found: list[dict[str, list[str]]] = []
    for path in dict.fromkeys(texts):
        if path.is_file():
            text = path.read_bytes()[:MOST_BYTES].decode(errors="replace")
            for line in text.splitlines():
                found += _commands(line, script)
    unique = [each for place, each in enumerate(found) if each not in found[:place]]
    return unique[:MOST]


def _commands(line: str, script: str) -> list[dict[str, list[str]]]:
    found = []
    for match in COMMAND.finditer(line):
        if Path(match[2]).name != Path(script).name:
            continue
        try:
            words = shlex.split(REMARK.split(match[3].rstrip(), maxsplit=1)[0] if match[3].strip() else "")
        except ValueError:
            continue
        words = [word for word in (word.rstrip(",;:") for word in words) if word]
        if not any(map(PLACE.search, words)):
            found.append({"environment": match[1].split(), "arguments": words})
    return found
