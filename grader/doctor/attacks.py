"""What the doctor tries inside a worker: each function is one attack and tells what came of it.

The bench copies this file into the submission, so it imports nothing but the standard library, and arguments and
answers are JSON. An attack tells only what it believes; the promises judge by what the doctor sees from outside.
"""

import ctypes
import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

MIB = 1 << 20
DONE = "done"
CLONE_NEWUSER = 0x10000000
IPC_CREAT, IPC_RMID = 0o1000, 0


def attempt(action: Callable[[], Any]) -> str:
    """`DONE`, or the kernel's reason for refusing."""
    try:
        action()
    except OSError as error:
        return error.strerror or type(error).__name__
    return DONE


def new_file(path: str | Path) -> str:
    """Make a file that is not there yet."""
    return attempt(lambda: Path(path).open("x").close())


def read(paths: list[str]) -> list[str]:
    """Read files; those that could be."""
    return [path for path in paths if attempt(lambda path=path: Path(path).read_bytes()) == DONE]  # type: ignore[misc]


def write(folder: str, others: list[str]) -> dict[str, str]:
    """Change what is in a folder that is open to everybody, and plant files in others."""
    victim = Path(folder, "victim")
    results = {
        "append": attempt(lambda: victim.open("a").write("x")),
        "truncate": attempt(lambda: os.truncate(victim, 0)),
        "create": new_file(Path(folder, "planted")),
        "link": attempt(lambda: Path(folder, "link").symlink_to("victim")),
        "rename": attempt(lambda: victim.rename(Path(folder, "renamed"))),
        "remove": attempt(Path(folder, "second").unlink),
    }
    return results | {f"create {path}": new_file(path) for path in others}


def change_mode(path: str) -> str:
    """Open a file to everybody."""
    return attempt(lambda: os.chmod(path, 0o777))  # noqa: PTH101, S103


def knock(family: int, kind: int, address: Any) -> str:
    """Send something to a socket of the host."""
    place = tuple(address) if isinstance(address, list) else address

    def send() -> None:
        with socket.socket(family, kind) as ours:
            ours.settimeout(1)
            ours.connect(place)
            ours.send(b"x")

    return attempt(send)


def disturb(pid: int) -> dict[str, str]:
    """Look into a process of the host, then kill it."""
    look = attempt(lambda: Path(f"/proc/{pid}/environ").read_bytes())
    return {"look": look, "kill": attempt(lambda: os.kill(pid, signal.SIGKILL))}


def identity() -> dict[str, str]:
    """What the kernel says of this process: ids, capabilities, seccomp."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def environment() -> dict[str, str]:
    """Every variable that this process has."""
    return dict(os.environ)


def call_kernel() -> dict[str, int]:
    """Calls that are a way out of a sandbox; the error number of each, 0 where it was let through."""
    libc = ctypes.CDLL(None, use_errno=True)
    calls: dict[str, Callable[[], int]] = {
        "unshare": lambda: int(libc.unshare(CLONE_NEWUSER)),
        "ptrace": lambda: int(libc.ptrace(0, 0, 0, 0)),
        "mount": lambda: int(libc.mount(b"none", b"/", None, 0, None)),
    }
    return {name: ctypes.get_errno() if call() == -1 else 0 for name, call in calls.items()}


def litter(mark: str, key: int) -> dict[str, Any]:
    """Leave files, shared memory and a detached process behind."""
    places = ("left", "../left", f"/tmp/left-{mark}", f"/dev/shm/left-{mark}", f"/var/tmp/left-{mark}")  # noqa: S108
    files = [str(Path(place).absolute()) for place in places]
    segment = ctypes.CDLL(None).shmget(key, MIB, IPC_CREAT | 0o600) >= 0
    started, ours = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execvp("sleep", ["sleep", mark])  # noqa: S606, S607
        os._exit(0)
    os.close(ours)
    os.read(started, 1)  # ends when the last copy of the other end has been closed by `execvp`
    return {
        "files": [file for file in files if new_file(file) == DONE],
        "segment": segment,
    }


def remains(files: list[str], key: int) -> list[str]:
    """What of the litter is still there; it is removed now."""
    found = [file for file in files if Path(file).exists()]
    for file in found:
        attempt(Path(file).unlink)
    libc = ctypes.CDLL(None)
    segment = libc.shmget(key, 0, 0)
    if segment >= 0:
        libc.shmctl(segment, IPC_RMID, None)
    return found + ["System V shared memory"] * (segment >= 0)


def loop() -> None:
    """Never end."""
    while True:
        pass


def chatter(mib: int, last_words: str) -> None:
    """Print a lot."""
    for _ in range(mib):
        print("x" * MIB)  # noqa: T201
    print(last_words, flush=True)  # noqa: T201


def open_files(most: int) -> int:
    """How many files can be opened."""
    opened: list[int] = []
    with suppress(OSError):
        while len(opened) < most:
            opened.append(os.open(os.devnull, os.O_RDONLY))
    for descriptor in opened:
        os.close(descriptor)
    return len(opened)


def fill(files: int, mib: int) -> float:
    """How many MiB can be written to some files in the folder that is given for writing."""
    written = 0
    for number in range(files):
        with suppress(OSError), Path(f"filling-{number}").open("wb", buffering=0) as file:
            for _ in range(4 * mib):
                written += file.write(bytes(MIB // 4))
    return written / MIB


def multiply(most: int) -> int:
    """How many processes can be started."""
    started = 0
    with suppress(OSError):
        while started < most:
            if os.fork() == 0:
                time.sleep(60)
                os._exit(0)
            started += 1
    return started


def grow(mib: int) -> int:
    """Take memory, slowly enough for a limit to be noticed; how many MiB it became."""
    kept = []
    for _ in range(0, mib, 16):
        kept.append(b"x" * (16 * MIB))
        time.sleep(0.01)
    time.sleep(0.5)
    return 16 * len(kept)


def hide_in_files(mib: int, piece: int) -> int:
    """Take memory that no process has mapped, in files without a name; how many MiB it became."""
    kept: list[int] = []
    written = 0
    with suppress(OSError):
        while written < mib * MIB:
            kept.append(os.memfd_create("hidden"))
            written += os.write(kept[-1], bytes(piece * MIB))
    time.sleep(0.3)
    for descriptor in kept:
        os.close(descriptor)
    return written // MIB


def hide_in_segments(mib: int, piece: int) -> int:
    """Take memory that no process has mapped, in System V shared memory; how many MiB it became."""
    libc = ctypes.CDLL(None)
    libc.shmat.restype = ctypes.c_void_p
    kept: list[int] = []
    while piece * len(kept) < mib and (segment := libc.shmget(0, piece * MIB, IPC_CREAT | 0o600)) >= 0:
        kept.append(segment)
        place = libc.shmat(segment, None, 0)
        ctypes.memset(place, 1, piece * MIB)
        libc.shmdt(ctypes.c_void_p(place))
    time.sleep(0.3)
    for segment in kept:
        libc.shmctl(segment, IPC_RMID, None)
    return piece * len(kept)
