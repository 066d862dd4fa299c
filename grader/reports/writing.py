"""Reports onto the disk: each file is there whole, or as it was before."""

import os
import secrets
from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """Put `content` at `path` in one step, whatever happens meanwhile.

    The content is written to a hidden file beside `path`, forced onto the disk, and renamed. An exception, a
    full disk or a killed process leaves the old file as it was; an exception leaves nothing else behind
    either.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
