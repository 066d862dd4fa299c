"""What a worker does to itself before any student code runs: limits, Landlock and seccomp where the kernel has them.

Landlock rules and seccomp filters only ever add up, so a child cannot undo what was taken away. The `landlock` package
covers the file system; TCP and the scopes (kernel 6.7 and 6.12) are not in it yet and extend its own structure here.
"""

import ctypes
import errno
import os
import resource
import signal
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

ABI_TCP, ABI_SCOPES = 4, 6
NET_BIND_TCP, NET_CONNECT_TCP = 1 << 0, 1 << 1
SCOPE_ABSTRACT_SOCKETS, SCOPE_SIGNALS = 1 << 0, 1 << 1

# No program of this course has a use for these: they are how processes get at others, at the kernel, around a filter.
FORBIDDEN_CALLS = (
    *("ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd"),
    *("io_uring_setup", "io_uring_enter", "io_uring_register"),
    *("unshare", "setns", "mount", "umount2", "pivot_root", "move_mount", "open_tree", "fsopen", "fsmount"),
    *("bpf", "perf_event_open", "userfaultfd", "keyctl", "add_key", "request_key", "open_by_handle_at"),
    # Memory that belongs to no process, and (System V, POSIX queues) outlives every check.
    *("memfd_create", "memfd_secret", "shmget", "semget", "msgget", "mq_open"),
    *("kexec_load", "init_module", "finit_module", "delete_module"),
)
CLONE_NEWUSER = 0x10000000

# Landlock knows neither modes nor owners nor attributes. Who sets them is told that it worked: `shutil.copy` needs it.
FEIGNED_CALLS = (
    *("chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat"),
    *("setxattr", "lsetxattr", "fsetxattr", "setxattrat", "removexattr", "lremovexattr", "fremovexattr"),
)

LIMITS = {
    "processes": resource.RLIMIT_NPROC,
    "files": resource.RLIMIT_NOFILE,
    "file_bytes": resource.RLIMIT_FSIZE,
    "data_bytes": resource.RLIMIT_DATA,
    "cpu_seconds": resource.RLIMIT_CPU,
}


def apply_limits(limits: dict[str, int]) -> None:
    """Set resource limits, soft and hard, by the names of `LIMITS`; a host's lower hard limit is kept."""
    for name, value in limits.items():
        _, hard = resource.getrlimit(LIMITS[name])
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(LIMITS[name], (bound, bound))


def _prctl(option: int, value: int) -> None:
    """Call prctl(2) on Linux; elsewhere there is nothing to call."""
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "prctl") and libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}, {value}) failed")


def become_subreaper() -> None:
    """Have orphaned descendants come to this process, so that they can be found and killed."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Be killed when the parent dies."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def restrict_files(read: Sequence[str], write: Sequence[str]) -> None:
    """Allow reading below `read`, everything below `write`, and nothing elsewhere, for good."""
    from landlock import FSAccess, Ruleset

    look = FSAccess.READ_FILE | FSAccess.READ_DIR | FSAccess.EXECUTE
    devices = FSAccess.MAKE_CHAR | FSAccess.MAKE_BLOCK
    rules = Ruleset()
    for path in read:
        rules.allow(path, rules=look if os.path.isdir(path) else look & FSAccess.all_file())  # noqa: PTH112 - str
    for path in write:
        rules.allow(path, rules=FSAccess.all() & ~devices if os.path.isdir(path) else FSAccess.all_file())  # noqa: PTH112
    rules.apply()


def restrict_signals() -> None:
    """Keep a child from signalling anything outside itself, from abstract sockets and from TCP, where Landlock can."""
    try:
        from landlock import landlock_abi_version, plumbing

        abi = landlock_abi_version()
    except (ImportError, OSError, AttributeError):
        return
    if abi < ABI_TCP:
        return

    class Attributes(plumbing.RulesetAttr):  # type: ignore[misc]
        _fields_ = (("handled_access_net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))

    scopes = SCOPE_ABSTRACT_SOCKETS | SCOPE_SIGNALS if abi >= ABI_SCOPES else 0
    attributes = Attributes(0, NET_BIND_TCP | NET_CONNECT_TCP, scopes)
    ruleset = plumbing.get_create_ruleset()(ctypes.byref(attributes), ctypes.sizeof(attributes), 0)
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    plumbing.get_restrict_self()(ruleset, 0)
    os.close(ruleset)


def restrict_calls(*, sockets: bool) -> None:
    """Refuse system calls that nothing honest needs; without `sockets`, also new sockets and changes of modes.

    Landlock knows TCP only: it would let a process send UDP, or talk to any service of the host by its socket file.
    A pair of connected sockets can still be made. `clone3` hides its flags from a filter, so it is said not to exist;
    the C library then falls back to `clone`, whose flags can be seen.
    """
    import pyseccomp

    refused = dict.fromkeys(FORBIDDEN_CALLS, errno.EACCES)
    if not sockets:
        refused |= {"socket": errno.EACCES} | dict.fromkeys(FEIGNED_CALLS, 0)
    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    for name, answer in refused.items():
        if pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name) >= 0:
            rules.add_rule(pyseccomp.ERRNO(answer), name)
    rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
    new_user = pyseccomp.Arg(0, pyseccomp.MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER)
    rules.add_rule(pyseccomp.ERRNO(errno.EACCES), "clone", new_user)
    rules.load()
