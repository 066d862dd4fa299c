"""The three tiers of isolation: how each starts a worker, and which of them this host really gives.

A tier counts as available when a probe process has run under it, not when its program or system call is found.
"""

import functools
import os
import shutil
import site
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grader.errors import GraderFault, UsageError
from grader.files import ROOT
from grader.records import Isolation
from grader.sandbox.limits import MIB, Limits

WORKER_FILES = ("grader/__init__.py", "grader/worker", "grader/probes")
TREES = ("/submission", "/spare")
WORKER_MAIN = "grader/worker/__main__.py"
FIRST_WORKER_UID = 1_000_000_000
# Root's interpreter often lives below a folder that is closed to others. Without a mount namespace the worker's user
# needs this capability to read it; what may be read at all is Landlock's to say.
READ_ANY = "dac_read_search"
SYSTEM_FOLDERS = ("/usr", "/lib", "/lib32", "/lib64", "/libx32", "/bin", "/sbin")
SYSTEM_FILES = (
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
)
INSTALL_ADVICE = "Install bubblewrap (Debian: apt-get install bubblewrap), or use a Linux kernel with Landlock."

FOR_TORCH = {
    # Threads that wait for others sleep: on a busy machine, spinning ones made a training take three times as long.
    "OMP_WAIT_POLICY": "PASSIVE",
    # Memory that a tensor leaves is kept for the next one of its size, rather than given back and asked for anew, page
    # by page: a step of SegFormer's training takes 0.7 of the time, and a smoke training 0.9. For GNU's C library.
    "GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=4294967296",
}
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/tmp",  # noqa: S108 - the sandbox's own
    # Older versions of torch ask for it when they are imported, and the worker's user id has no name.
    "LOGNAME": "student",
    "PYTHONHASHSEED": "0",
    "MPLBACKEND": "agg",
    "WANDB_MODE": "disabled",
    "TQDM_DISABLE": "1",
    # Asking CUDA itself whether there is a GPU would keep every forked child from using it.
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    **FOR_TORCH,
}


@dataclass(frozen=True)
class Plan:
    """How to start one worker.

    Args:
        argv: the command, up to the control descriptor's number, which is appended.
        trees: where the worker finds the folders that it may import from.
        scratch: where it may write.
        wipe: folders to be emptied after each check.
        landlock: arguments of `restrict_files`, None where bubblewrap does that work.
        filter: arguments of `restrict_calls`, None for no filter.
        own_user: the worker runs as a user that nobody else uses.
    """

    argv: tuple[str, ...]
    trees: tuple[str, ...]
    scratch: str
    wipe: tuple[str, ...]
    landlock: dict[str, list[str]] | None
    filter: dict[str, bool] | None
    own_user: bool


def python_folders() -> tuple[str, ...]:
    """The folders that this interpreter and its packages live in, outermost only."""
    roots = {
        sys.prefix,
        sys.base_prefix,
        sys.exec_prefix,
        sysconfig.get_path("stdlib"),
        *site.getsitepackages(),
    }
    roots |= {str(Path(sys.executable).resolve().parent.parent)}
    # Where a link is and where it leads both have to be seen: a virtual environment's python is a link.
    found = sorted({place(root) for root in roots for place in (os.path.realpath, os.path.abspath)})
    return tuple(f for f in found if not any(f.startswith(other + os.sep) for other in found if other != f))


def worker_command(main: str, python: str = sys.executable) -> tuple[str, ...]:
    """Start an interpreter without the user's own packages, the script's folder on its path, or bytecode files."""
    return (python, "-s", "-P", "-B", main)


def plan(
    isolation: Isolation, trees: Sequence[Path], scratch: Path, limits: Limits, uid: int, python: str = sys.executable
) -> Plan:
    """Decide how a worker is started under a tier.

    Args:
        isolation: the tier, available on this host.
        trees: the folders to be imported from, a submission's clean tree before any other.
        scratch: an empty folder for the worker's own files; bubblewrap gives a private one in its place.
        limits: of which the private /tmp takes its size.
        uid: a user id for the worker, used when the grader runs as root.
        python: an interpreter that has torch; another one than this only without isolation.
    """
    if isolation is Isolation.BUBBLEWRAP:
        return _bubblewrap(trees, limits, uid)
    as_root = os.geteuid() == 0
    if as_root:
        os.chown(scratch, uid, uid)
    command = worker_command(str(ROOT / WORKER_MAIN), python)
    return Plan(
        argv=(*(_unprivileged(uid, keep=READ_ANY) if as_root else ()), *command),
        trees=tuple(map(str, trees)),
        scratch=str(scratch),
        wipe=(str(scratch),),
        landlock=_landlock_paths(trees, scratch) if isolation is Isolation.LANDLOCK else None,
        filter={"sockets": False} if isolation is Isolation.LANDLOCK else None,
        own_user=as_root,
    )


def _bubblewrap(trees: Sequence[Path], limits: Limits, uid: int) -> Plan:
    as_root = os.geteuid() == 0
    size = str(limits.file_mib * MIB)
    namespaces = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    argv = ["bwrap", *namespaces, *([] if as_root else ["--unshare-user", "--disable-userns"])]
    argv += ["--die-with-parent", "--new-session", "--hostname", "sandbox", "--cap-drop", "ALL"]
    if as_root:
        argv += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP"]
    argv += ["--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys", "--dev", "/dev"]
    argv += ["--perms", "1777", "--size", size, "--tmpfs", "/tmp", "--perms", "1777", "--size", size]  # noqa: S108
    argv += ["--tmpfs", "/dev/shm"]  # noqa: S108
    places = dict(zip(map(str, trees), TREES, strict=False))
    argv += _view({str(ROOT / name): f"/harness/{name}" for name in WORKER_FILES} | places)
    argv += ["--remount-ro", "/", "--chdir", "/tmp"]  # noqa: S108
    inside = _unprivileged(uid) if as_root else ()
    return Plan(
        argv=(*argv, "--", *inside, *worker_command(f"/harness/{WORKER_MAIN}")),
        trees=tuple(places.values()),
        scratch="/tmp",  # noqa: S108 - private to the sandbox
        wipe=("/tmp", "/dev/shm"),  # noqa: S108 - as above
        landlock=None,
        filter={"sockets": True},
        own_user=as_root,
    )


def _view(own: dict[str, str]) -> list[str]:
    """Options that show the sandbox the system, the interpreter and what is its `own` at its place, read-only.

    The folders above a bound path are made first: bubblewrap would make them itself, but closed to other users.
    """
    binds = {path: path for path in (*SYSTEM_FOLDERS, *SYSTEM_FILES, *python_folders()) if _to_bind(path)}
    binds |= own
    above = {str(parent) for place in binds.values() for parent in Path(place).parents}
    options = [option for folder in sorted(above - {"/", "/tmp"}) for option in ("--dir", folder)]  # noqa: S108
    for folder in SYSTEM_FOLDERS:
        if Path(folder).is_symlink():
            options += ["--symlink", str(Path(folder).readlink()), folder]
    return options + [option for path, place in binds.items() for option in ("--ro-bind", path, place)]


def _to_bind(path: str) -> bool:
    if path in SYSTEM_FOLDERS and Path(path).is_symlink():
        return False
    return Path(path).exists() and (path == "/usr" or not path.startswith("/usr/"))


def _unprivileged(uid: int, keep: str = "") -> tuple[str, ...]:
    """Become a user without privileges, for good.

    Args:
        uid: the user and group id.
        keep: a capability to keep, by its name.
    """
    kept = [f"--inh-caps=-all,+{keep}", f"--ambient-caps=-all,+{keep}", f"--bounding-set=-all,+{keep}"]
    sets = kept if keep else ["--inh-caps=-all", "--bounding-set=-all"]
    return ("setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", *sets, "--no-new-privs")


def _landlock_paths(trees: Sequence[Path], scratch: Path) -> dict[str, list[str]]:
    harness = [str(ROOT / name) for name in WORKER_FILES]
    devices = ["/dev/urandom", "/dev/random", "/dev/zero"]
    read = [*SYSTEM_FOLDERS, *SYSTEM_FILES, *python_folders(), *harness, *devices, "/proc", *map(str, trees)]
    return {
        "read": [path for path in read if Path(path).exists()],
        "write": [str(scratch), "/dev/null"],
    }


def choose_isolation(asked: Isolation | None, *, own_folder: bool) -> tuple[Isolation, str]:
    """Pick the strongest tier that works here, or confirm the one that was asked for.

    Args:
        asked: the tier that the user insists on, or None for the strongest.
        own_folder: the submission is a folder of the user's own, which may run without isolation.

    Returns:
        The tier, and a sentence for the gradesheet on why it is that one.

    Raises:
        UsageError: the tier that was asked for does not work here.
        GraderFault: no tier works and the submission may not run without one.
    """
    if asked is Isolation.NONE:
        return asked, "no isolation, by explicit choice"
    problems: list[str] = []
    for tier in (Isolation.BUBBLEWRAP, Isolation.LANDLOCK):
        if asked not in (None, tier):
            continue
        problem = why_unavailable(tier)
        if problem is None:
            return tier, "; ".join([f"{tier.value} works on this host", *problems])
        problems.append(f"{tier.value}: {problem}")
    if asked is not None:
        raise UsageError(f"--isolation {asked.value} does not work on this host: {problems[0]}.")
    if own_folder:
        return Isolation.NONE, "; ".join(["a folder of one's own", *problems])
    raise GraderFault(f"No isolation works on this host ({'; '.join(problems)}). {INSTALL_ADVICE}")


@functools.cache
def why_unavailable(tier: Isolation) -> str | None:
    """Try a tier with a real process; None when it works, else what went wrong in a few words."""
    if sys.platform != "linux":
        return f"needs Linux, this is {sys.platform}"
    if tier is Isolation.LANDLOCK:
        return _try([sys.executable, "-I", "-c", _LANDLOCK_PROBE])
    if shutil.which("bwrap") is None:
        return "the program bwrap is not installed"
    command = _bubblewrap([ROOT / "grader" / "probes"], Limits(), FIRST_WORKER_UID).argv
    return _try([*command[:-1], "-c", "import os; os.listdir('/submission')"])


_LANDLOCK_PROBE = """
import pyseccomp
from landlock import Ruleset
Ruleset().apply()
try:
    open("/etc/passwd")
except PermissionError:
    raise SystemExit(0)
raise SystemExit("Landlock let a forbidden file be read")
"""


def _try(command: Sequence[str]) -> str | None:
    try:
        result = subprocess.run(  # noqa: S603 - a command of our own making
            command, capture_output=True, timeout=20, check=False, env=ENVIRONMENT, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    lines = result.stderr.decode(errors="replace").strip().splitlines()
    return None if result.returncode == 0 else (lines[-1] if lines else f"exit code {result.returncode}")
