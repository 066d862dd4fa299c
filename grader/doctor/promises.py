"""What the sandbox promises, what each tier keeps it by, and how the doctor tries to break it.

A promise holds only if the attack really ran and the doctor saw from outside that it came to nothing; an attack that
fails for a reason of its own proves nothing and counts as a broken promise.
"""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from grader.doctor import attacks
from grader.doctor.bench import Bench
from grader.doctor.findings import Proof
from grader.errors import GraderFault
from grader.files import ROOT
from grader.records import Isolation
from grader.sandbox import CallFailed, WorkerLost, work_folder
from grader.sandbox.tiers import ENVIRONMENT, FIRST_WORKER_UID, READ_ANY

SECRETS = ("reference/dlvc/metrics.py", "tests/checks/test_metrics.py", "grader/rubric.toml")
CAP_READ_ANY = 1 << 2
NO_ENTRY = (1, 13)  # EPERM, EACCES
PATIENCE_SECONDS = 0.1
LATE_SECONDS = 2.0
BUBBLEWRAP_KEEPS_IT = "Install bubblewrap, which keeps this promise: apt-get install bubblewrap."
A_DEFECT = "A defect of the grader on this host: report it with this page; grade strangers' work in a virtual machine."

Evidence = tuple[bool, str]


@dataclass(frozen=True)
class Promise:
    """One promise.

    Args:
        title: the promise, in a few words.
        bubblewrap: what keeps it in that tier.
        landlock: what keeps it in that tier.
        attack: tries to break it; whether it held, and what was seen.
        root_only: promised only where the grader was started by root.
    """

    title: str
    bubblewrap: str
    landlock: str
    attack: Callable[[Bench], Evidence]
    root_only: bool = False

    def prove(self, bench: Bench) -> Proof:
        """Try to break it."""
        by = {Isolation.BUBBLEWRAP: self.bubblewrap, Isolation.LANDLOCK: self.landlock}.get(bench.tier, "nothing")
        try:
            holds, seen = self.attack(bench)
        except (WorkerLost, CallFailed, GraderFault, OSError) as error:
            holds, seen = False, f"could not be tried: {error}"
        stronger = bench.tier is not Isolation.BUBBLEWRAP and self.bubblewrap != self.landlock
        advice = None if holds else BUBBLEWRAP_KEEPS_IT if stronger else A_DEFECT
        return Proof(promise=self.title, enforced_by=by, holds=holds, seen=seen, advice=advice)


def refused(results: dict[str, str]) -> Evidence:
    """Judge attempts: the reasons why all were refused, or those that were not."""
    through = [name for name, result in results.items() if result == attacks.DONE]
    if through:
        return False, f"let through: {', '.join(through)}"
    return True, f"{len(results)} refused: {', '.join(sorted(set(results.values())))}"


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder outside the sandbox that everybody may read and write, as far as its modes go."""
    with work_folder() as above:
        folder = above / "open"
        folder.mkdir()
        folder.chmod(0o777)
        for name in ("victim", "second"):
            (folder / name).write_text("untouched")
            (folder / name).chmod(0o666)
        yield folder


def cannot_read(bench: Bench) -> Evidence:
    """The solution, the checks, and a file of the host that is open to everybody."""
    with open_folder() as folder:
        wanted = [*(str(ROOT / name) for name in SECRETS), "/etc/passwd", str(folder / "victim")]
        wanted = [path for path in wanted if Path(path).is_file()]
        found = bench.ask(attacks.read, paths=wanted).told
    return not found, f"{', '.join(found)} was read" if found else f"{len(wanted)} files tried, none was read"


def cannot_write(bench: Bench) -> Evidence:
    """A folder that is open to everybody, the harness, the interpreter, the submission itself."""
    planted = [Path(place) / f"planted-{secrets.token_hex(4)}" for place in (ROOT, sys.prefix, bench.tree, Path.home())]
    with open_folder() as folder:
        before = _contents(folder)
        results = bench.ask(attacks.write, folder=str(folder), others=list(map(str, planted))).told
        changed = _contents(folder) != before
    for place in planted:
        changed |= place.exists()
        place.unlink(missing_ok=True)
    holds, seen = refused(results)
    return holds and not changed, seen if not holds or not changed else "files were changed"


def _contents(folder: Path) -> dict[str, str]:
    return {path.name: "link" if path.is_symlink() else path.read_text() for path in folder.iterdir()}


def cannot_change_modes(bench: Bench) -> Evidence:
    """The mode of a file of the user who started the grader, which Landlock knows nothing of."""
    with open_folder() as folder:
        file = folder / "victim"
        before = file.stat().st_mode
        result = bench.ask(attacks.change_mode, path=str(file)).told
        if file.stat().st_mode != before:
            return False, "a file of yours was opened to everybody"
    return True, "answered, but nothing changed" if result == attacks.DONE else f"refused: {result}"


def no_network(bench: Bench) -> Evidence:
    """TCP and UDP to servers of the doctor's own."""
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        return _nothing_arrives(bench, {"TCP": tcp, "UDP": udp})


def no_local_sockets(bench: Bench) -> Evidence:
    """A socket file that is open to everybody, as a container engine's, and an abstract socket."""
    with open_folder() as folder, socket.socket(socket.AF_UNIX) as named, socket.socket(socket.AF_UNIX) as abstract:
        named.bind(str(folder / "s"))
        (folder / "s").chmod(0o777)
        abstract.bind(f"\0doctor-{secrets.token_hex(8)}")
        for server in (named, abstract):
            server.listen()
        return _nothing_arrives(bench, {"file": named, "abstract": abstract})


def _nothing_arrives(bench: Bench, servers: dict[str, socket.socket]) -> Evidence:
    told, arrived = {}, []
    for name, server in servers.items():
        address = server.getsockname()
        place = address.decode() if isinstance(address, bytes) else address
        told[name] = bench.ask(attacks.knock, family=server.family, kind=server.type, address=place).told
        server.settimeout(PATIENCE_SECONDS)
        with suppress(TimeoutError):
            server.recv(1) if server.type is socket.SOCK_DGRAM else server.accept()[0].close()
            arrived.append(name)
    if arrived:
        return False, f"{' and '.join(arrived)} reached the host"
    reasons = (f"{name}: {'sent, nothing came' if why == attacks.DONE else why}" for name, why in told.items())
    return True, "; ".join(reasons)


def cannot_reach_processes(bench: Bench) -> Evidence:
    """A process of the same user as the worker's, if the doctor may start one as that user."""
    uid = int(bench.ask(attacks.identity).told["Uid"].split()[0])
    other = {"user": uid, "group": uid, "extra_groups": []} if os.geteuid() == 0 else {}
    with subprocess.Popen(["sleep", "60"], cwd="/", env={**os.environ, "DOCTOR": "here"}, **other) as target:  # type: ignore[call-overload]  # noqa: S607
        try:
            told = bench.ask(attacks.disturb, pid=target.pid).told
            with suppress(subprocess.TimeoutExpired):
                target.wait(PATIENCE_SECONDS)
            died = target.poll() is not None
        finally:
            target.kill()
    holds, seen = refused(told)
    return holds and not died, "a process was killed" if died else seen


def no_privileges(bench: Bench) -> Evidence:
    """No capabilities but the one that the Landlock tier needs under root, and no way to more."""
    told = bench.ask(attacks.identity).told
    sets = ["CapInh", "CapPrm", "CapEff", "CapAmb"] + ["CapBnd"] * (os.geteuid() == 0)
    has = 0
    for name in sets:
        has |= int(told[name], 16)
    as_root_landlock = bench.tier is not Isolation.BUBBLEWRAP and os.geteuid() == 0
    more = has & ~(CAP_READ_ANY if as_root_landlock else 0)
    if more or told["NoNewPrivs"] != "1":
        return False, f"capabilities {has:#x}, NoNewPrivs {told['NoNewPrivs']}"
    return True, f"only {READ_ANY}, within Landlock's rules" if has else "no capabilities, none to be gained"


def own_user(bench: Bench) -> Evidence:
    """A user id that nobody else uses."""
    uid = int(bench.ask(attacks.identity).told["Uid"].split()[0])
    return uid >= FIRST_WORKER_UID, f"runs as user {uid}"


def no_variables(bench: Bench) -> Evidence:
    """No variable of the user's, that could hold a token."""
    told = bench.ask(attacks.environment).told
    ours = {name: value for name, value in os.environ.items() if name not in ENVIRONMENT and name != "PWD"}
    found = sorted(name for name, value in ours.items() if told.get(name) == value)
    return not found, f"{', '.join(found)} came along" if found else f"none of {len(ours)} came along"


def cannot_call_the_kernel(bench: Bench) -> Evidence:
    """A new user namespace, tracing, mounting."""
    told = bench.ask(attacks.call_kernel).told
    return refused({name: os.strerror(error) if error in NO_ENTRY else attacks.DONE for name, error in told.items()})


def nothing_is_left(bench: Bench) -> Evidence:
    """Files, shared memory and a process that detached itself twice are gone when the next check begins."""
    mark, key = f"9{os.getpid()}{time.monotonic_ns()}", secrets.randbelow(1 << 30) + 1
    told = bench.ask(attacks.litter, mark=mark, key=key).told
    strays = [process for process in psutil.process_iter(["cmdline"]) if mark in (process.info["cmdline"] or ())]
    for stray in strays:
        stray.kill()
    left = bench.ask(attacks.remains, files=told["files"], key=key).told + ["a process"] * len(strays)
    if left:
        return False, f"left: {', '.join(left).replace(f'-{mark}', '')}"
    tried = ["a process", f"{len(told['files'])} files", *["shared memory"] * told["segment"]]
    return True, f"{', '.join(tried)}: gone with the check"


def time_is_limited(bench: Bench) -> Evidence:
    """An endless loop is ended."""
    began = time.monotonic()
    holds, seen = _lost(bench, "time", attacks.loop)
    seconds, most = time.monotonic() - began, bench.limits.call_seconds
    if not holds:
        return False, seen
    return seconds < most + LATE_SECONDS, f"endless loop ended after {seconds:.1f} s, limit {most:g}"


def log_is_limited(bench: Bench) -> Evidence:
    """Megabytes of prints neither block the worker nor fill the memory."""
    log = bench.ask(attacks.chatter, mib=3, last_words="the end").log
    kept = len(log) / 1024
    return kept <= bench.limits.log_kib and "the end" in log, f"3 MiB printed, the last {kept:.0f} KiB kept"


def files_are_limited(bench: Bench) -> Evidence:
    """Files cannot be opened without end."""
    most, opened = bench.limits.files, bench.ask(attacks.open_files, most=4 * bench.limits.files).told
    return opened <= most, f"{opened} opened, limit {most}"


def file_size_is_limited(bench: Bench) -> Evidence:
    """One file cannot grow without end."""
    most = bench.limits.file_mib
    written = bench.ask(attacks.fill, files=1, mib=2 * most).told
    return written <= most, f"{written:.0f} MiB written, limit {most}"


def disk_is_limited(bench: Bench) -> Evidence:
    """Many files cannot fill the disk, or the memory that a private /tmp lives in."""
    most = bench.limits.file_mib
    written = bench.ask(attacks.fill, files=6, mib=most // 2).told
    return written <= most, f"{written:.0f} MiB written to 6 files, limit {most}"


def processes_are_limited(bench: Bench) -> Evidence:
    """Forking without end is refused, or ended."""
    most = 4 * bench.limits.processes
    try:
        started = bench.ask(attacks.multiply, most=most).told
    except WorkerLost as lost:
        return lost.kind == "processes", lost.message
    return started < most, f"{started} started, then refused" if started < most else f"{started} were started"


def memory_is_limited(bench: Bench) -> Evidence:
    """Taking memory without end is ended."""
    return _lost(bench, "memory", attacks.grow, mib=2 * bench.limits.memory_mib)


def hidden_memory_is_limited(bench: Bench) -> Evidence:
    """Memory that no process has mapped, which a sum over processes misses, counts as well or cannot be had."""
    most = bench.limits.memory_mib
    for name, attack in (("files", attacks.hide_in_files), ("segments", attacks.hide_in_segments)):
        try:
            taken = bench.ask(attack, mib=most, piece=bench.limits.file_mib - 1).told
        except WorkerLost as lost:
            if lost.kind == "memory":
                continue
            raise
        if taken >= most:
            return False, f"{taken} MiB in unmapped {name} went unseen, limit {most}"
    return True, "in unmapped files and segments: refused, or seen"


def _lost(bench: Bench, kind: str, attack: Callable[..., Any], **arguments: Any) -> Evidence:
    try:
        bench.ask(attack, **arguments)
    except WorkerLost as lost:
        return lost.kind == kind, lost.message
    return False, "it was let go on"


def prove_all(bench: Bench, progress: Callable[[str], None]) -> tuple[Proof, ...]:
    """Try every promise on a worker; those that end the worker come last."""
    proofs = []
    for promise in PROMISES:
        if promise.root_only and os.geteuid() != 0:
            continue
        progress(promise.title)
        proofs.append(promise.prove(bench))
    return tuple(proofs)


_MOUNTS, _SECCOMP, _WATCHDOG = "mount namespace", "seccomp", "watchdog"
PROMISES = (
    Promise("reads nothing outside", _MOUNTS, "Landlock", cannot_read),
    Promise("writes nothing outside", _MOUNTS, "Landlock", cannot_write),
    Promise("changes no modes", _MOUNTS, "user id, if root", cannot_change_modes),
    Promise("no network", "network namespace", _SECCOMP, no_network),
    Promise("no local services", "both namespaces", _SECCOMP, no_local_sockets),
    Promise("no other processes", "pid namespace", "Landlock scopes", cannot_reach_processes),
    Promise("no privileges", "no_new_privs", "no_new_privs", no_privileges),
    Promise("a user of its own", "setpriv", "setpriv", own_user, root_only=True),
    Promise("no variables of yours", "environment anew", "environment anew", no_variables),
    Promise("no risky system calls", _SECCOMP, _SECCOMP, cannot_call_the_kernel),
    Promise("leaves nothing behind", "zygote", "zygote", nothing_is_left),
    Promise("time", "grader's clock", "grader's clock", time_is_limited),
    Promise("log", "grader's cap", "grader's cap", log_is_limited),
    Promise("open files", "RLIMIT_NOFILE", "RLIMIT_NOFILE", files_are_limited),
    Promise("size of a file", "RLIMIT_FSIZE", "RLIMIT_FSIZE", file_size_is_limited),
    Promise("disk space", "tmpfs size", _WATCHDOG, disk_is_limited),
    Promise("processes", "RLIMIT_NPROC", "RLIMIT_NPROC", processes_are_limited),
    Promise("memory out of sight", _WATCHDOG, _WATCHDOG, hidden_memory_is_limited),
    Promise("memory", _WATCHDOG, _WATCHDOG, memory_is_limited),
)
