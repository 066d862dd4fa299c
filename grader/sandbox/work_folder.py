"""The folder that trees, scratch folders and outputs of a run lie in, which goes with the process that made it."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def work_folder() -> Iterator[Path]:
    """A temporary folder that workers under another user id can reach into, but not list.

    It goes also when this process is killed: a shell waits for the end of a pipe that only we hold, and removes it.
    """
    with tempfile.TemporaryDirectory(prefix="grader-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        janitor = subprocess.Popen(  # noqa: S603 - a command of our own making
            ["/bin/sh", "-c", 'read -r _ || { sleep 1; chmod -R u+rwx -- "$1"; rm -rf -- "$1"; }', "janitor", name],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            yield folder
        finally:
            janitor.communicate(b"\n")
