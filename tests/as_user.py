"""Run a command as an ordinary user, also where this process is root's: `python -m tests.as_user COMMAND...`.

Root's interpreter may live below a folder that is closed to others. In a mount namespace of the command's own that
folder is empty and open, but for the interpreter's own folders.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from grader.sandbox.tiers import python_folders

USER = 12345  # nobody's; whoever it is has no rights here


def as_user(command: Sequence[str], folders: Sequence[str]) -> list[str]:
    """The command line that root runs a command by.

    Args:
        command: whose interpreter is in `folders`.
        folders: what has to be readable; no other place changes.
    """
    closed = {top for folder in folders if (top := _closed(Path(folder))) is not None}
    views = [option for top in sorted(closed) for option in ("--perms", "0755", "--tmpfs", str(top))]
    hidden = [Path(folder) for folder in folders if _closed(Path(folder))]
    above = {str(parent) for folder in hidden for parent in folder.parents if _closed(folder) in parent.parents}
    views += [option for parent in sorted(above) for option in ("--dir", parent)]  # open, unlike what a bind makes
    binds = [option for folder in hidden for option in ("--ro-bind", str(folder), str(folder))]
    capabilities = [option for name in ("SETUID", "SETGID", "SETPCAP") for option in ("--cap-add", f"CAP_{name}")]
    user = ["setpriv", "--reuid", str(USER), "--regid", str(USER), "--clear-groups", "--inh-caps=-all"]
    return ["bwrap", "--dev-bind", "/", "/", *views, *binds, *capabilities, *user, "--bounding-set=-all", *command]


def _closed(folder: Path) -> Path | None:
    """The outermost folder above that others may not pass through, None if they may pass through all."""
    return next((above for above in reversed(folder.parents) if not above.stat().st_mode & 0o001), None)


def main(command: list[str]) -> None:
    """Become the command."""
    if os.getuid() == 0:
        if shutil.which("bwrap") is None:
            required = "bubblewrap" in os.environ.get("GRADER_REQUIRE_TIERS", "").split()
            print("Not run as an ordinary user: bubblewrap is not installed (Debian: apt-get install bubblewrap).")
            sys.exit(1 if required else 0)
        home = tempfile.mkdtemp(prefix="user-")
        os.chown(home, USER, USER)
        os.environ |= {"HOME": home, "TMPDIR": home}
        command = as_user(command, python_folders())
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
