"""What the doctor reads off the host: why a tier does not work and what to install, versions, GPU, room."""

import errno
import os
import platform
import shutil
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from grader.doctor.findings import Fact
from grader.environment import gpus, output_of
from grader.records import Isolation
from grader.sandbox import Limits
from grader.sandbox.limits import MIB, usable_cores

# Two of the submission's, whose checks run side by side, and the reference's. Others start meanwhile, but none of them
# is at its limits then: they import, or run what is ours.
WORKERS = 3
CORES = 2
# From which version on Landlock covers what, and the kernel that brought it.
LANDLOCK_GAINS = (
    (3, "truncating files (6.2)"),
    (4, "TCP (6.7; seccomp refuses sockets meanwhile)"),
    (5, "ioctl on devices (6.10)"),
    (6, "signals and abstract sockets (6.12)"),
)
NAMESPACE_SETTINGS = {
    "user.max_user_namespaces": (0, "sysctl user.max_user_namespaces=15000"),
    "kernel.unprivileged_userns_clone": (0, "sysctl kernel.unprivileged_userns_clone=1"),
    "kernel.apparmor_restrict_unprivileged_userns": (
        1,
        "give bwrap an AppArmor profile that allows `userns` (Ubuntu: apt-get install apparmor-profiles), or "
        "sysctl kernel.apparmor_restrict_unprivileged_userns=0",
    ),
}


@dataclass(frozen=True)
class Host:
    """Facts that decide what to advise.

    Args:
        linux: the kernel is Linux.
        root: the grader runs as root.
        container: inside Docker, Podman or the like.
        programs: those of `bwrap` and `setpriv` that are installed.
        settings: the kernel's settings on user namespaces, those that exist.
        landlock_abi: its version, 0 where there is none.
        landlock_errno: why there is none.
    """

    linux: bool
    root: bool
    container: bool
    programs: frozenset[str]
    settings: dict[str, int]
    landlock_abi: int
    landlock_errno: int = 0


def look_at_host() -> Host:
    """Read the facts off this host."""
    abi, why = _landlock()
    settings = {name: _setting(name) for name in NAMESPACE_SETTINGS}
    return Host(
        linux=sys.platform == "linux",
        root=os.geteuid() == 0,
        container=any(Path(mark).exists() for mark in ("/.dockerenv", "/run/.containerenv")),
        programs=frozenset(name for name in ("bwrap", "setpriv") if shutil.which(name)),
        settings={name: value for name, value in settings.items() if value is not None},
        landlock_abi=abi,
        landlock_errno=why,
    )


def _landlock() -> tuple[int, int]:
    try:
        from landlock import landlock_abi_version

        return int(landlock_abi_version()), 0
    except ImportError:
        return 0, errno.ENOPKG
    except OSError as error:
        return 0, error.errno or errno.ENOSYS


def _setting(name: str) -> int | None:
    try:
        return int(Path("/proc/sys", *name.split(".")).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def advise(tier: Isolation, host: Host) -> tuple[str, ...]:
    """What to install or to enable so that a tier works here."""
    if not host.linux:
        return ("Run the grader on Linux: a virtual machine or a container will do.",)
    advice = _advise_bubblewrap(host) if tier is Isolation.BUBBLEWRAP else _advise_landlock(host)
    if host.root and "setpriv" not in host.programs:
        advice.append("Install setpriv: apt-get install util-linux.")
    return tuple(advice)


def _advise_bubblewrap(host: Host) -> list[str]:
    advice = [] if "bwrap" in host.programs else ["Install it: apt-get install bubblewrap."]
    if not host.root:
        for name, (bad, remedy) in NAMESPACE_SETTINGS.items():
            if host.settings.get(name) == bad:
                advice.append(f"{name} is {bad}, which keeps users from making namespaces. As root: {remedy}.")
    if host.container:
        advice.append(
            "This is a container, whose seccomp profile usually forbids namespaces: start it with "
            "--security-opt seccomp=unconfined --security-opt apparmor=unconfined, and as root with "
            "--cap-add SYS_ADMIN too; or rely on Landlock, which needs none of it."
        )
    return advice or ["See what bwrap says above; `bwrap --ro-bind / / true` tries it by hand."]


def _advise_landlock(host: Host) -> list[str]:
    if host.landlock_errno == errno.ENOPKG:
        return ["Install the Python package: pip install --pre landlock."]
    if host.landlock_errno == errno.EOPNOTSUPP:
        return ["The kernel has Landlock but it is off: add `landlock` to the list of the boot option lsm=."]
    if host.landlock_abi == 0:
        return ["Needs Linux 5.13 or newer with CONFIG_SECURITY_LANDLOCK=y, which a container takes from its host."]
    return ["Landlock is there: install the packages beside it, pip install --pre landlock pyseccomp."]


def facts(host: Host, limits: Limits, ready: dict[str, object] | None) -> tuple[Fact, ...]:
    """Versions, GPU and room on this host.

    Args:
        host: what was read off it.
        limits: what a grading may use.
        ready: what a worker told of its versions and its GPU, None where none was started.
    """
    told = ready or {"python": platform.python_version(), "torch": _package("torch"), "cuda": False}
    user = "root" if host.root else f"user {os.getuid()}"
    return (
        Fact(name="kernel", value=f"{platform.system()} {platform.release()}, {platform.machine()}, as {user}"),
        Fact(name="python, torch", value=f"{told['python']}, {told['torch']}"),
        _bubblewrap_fact(host),
        _landlock_fact(host),
        _seccomp_fact(),
        *(Fact(name=name, value=str(value)) for name, value in host.settings.items()),
        gpu_fact(visible=bool(told["cuda"]), listed=gpus()),
        *room_facts(limits),
    )


def _package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _bubblewrap_fact(host: Host) -> Fact:
    value = output_of("bwrap", "--version").removeprefix("bubblewrap ") if "bwrap" in host.programs else "not installed"
    return Fact(name="bubblewrap", value=value)


def _landlock_fact(host: Host) -> Fact:
    lacks = [gain for abi, gain in LANDLOCK_GAINS if host.landlock_abi < abi]
    warning = f"does not cover {', '.join(lacks)}" if lacks and host.landlock_abi else None
    return Fact(name="Landlock", value=f"ABI {host.landlock_abi}" if host.landlock_abi else "none", warning=warning)


def _seccomp_fact() -> Fact:
    try:
        import pyseccomp

        level = pyseccomp.get_api()
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        return Fact(
            name="seccomp", value="none", warning=f"{error}: apt-get install libseccomp2, pip install pyseccomp"
        )
    return Fact(name="seccomp", value=f"filters, API level {level}")


def gpu_fact(*, visible: bool, listed: tuple[str, ...]) -> Fact:
    """What a GPU, or none, means for grading."""
    here = ", ".join(listed) or "none"
    if visible:
        return Fact(name="GPU", value=f"{here}; workers see it and submissions may use it")
    if listed:
        return Fact(name="GPU", value=f"{here}; hidden from workers, all checks run on the CPU")
    return Fact(name="GPU", value="none; all checks run on the CPU, which they are made for")


def room_facts(limits: Limits) -> tuple[Fact, ...]:
    """Cores, memory and disk, with a warning where there is less than `WORKERS` at their limits need."""
    folder = tempfile.gettempdir()
    cores, memory, disk = usable_cores(), usable_memory_mib(), shutil.disk_usage(folder).free // MIB
    need_memory, need_disk = WORKERS * limits.memory_mib, 2 * WORKERS * limits.file_mib
    few = f"fewer than {CORES}: workers wait for each other, time limits are reached sooner"
    return (
        Fact(name="cores", value=str(cores), warning=few if cores < CORES else None),
        _room("memory", memory, need_memory, "give --memory-mib less, or close programs"),
        _room(f"free in {folder}", disk, need_disk, "make room, or set TMPDIR to a larger folder"),
    )


def _room(name: str, mib: int, need: int, remedy: str) -> Fact:
    warning = f"{WORKERS} workers at their limits need {need / 1024:.1f} GiB: {remedy}" if mib < need else None
    return Fact(name=name, value=f"{mib / 1024:.1f} GiB", warning=warning)


def usable_memory_mib() -> int:
    """Memory that is free for use, within the limit of a container or a Slurm job."""
    available = psutil.virtual_memory().available
    try:
        most = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        used = Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii").strip()
        available = min(available, int(most) - int(used)) if most.isdigit() else available
    except OSError:
        pass
    return int(available // MIB)
