"""Where strangers' code runs: a worker under isolation and limits, driven by the trusted process.

Theory of operation
-------------------
One `Worker` is one *zygote* (`grader.worker`): a Python process that has imported torch and nothing of the submission.
For each check the trusted side opens a `Session`: the zygote forks a child, and the two talk in frames over a socket
pair that was passed by descriptor. The child imports the submission and answers probe calls; it knows no expected value
and has no file of the grader's but its own code and the probes. When the session is closed the zygote kills and reaps
the child and everything that it left behind, so a check can neither disturb the next one nor outlive its own end.

What holds a worker in, strongest tier first (`tiers.py`; the gradesheet records which one held):

* bubblewrap: own mount, pid, network, ipc and uts namespaces; a read-only view of the system, the interpreter and the
  submission; private /tmp and /dev; an environment made anew; no capabilities. Started as root, the worker runs as an
  unprivileged user of its own, in root's user namespace, since RLIMIT_NPROC does not bind root.
* Landlock: the same process tree, but the kernel refuses every file outside a short list of readable folders and the
  worker's own scratch folder, and signals to processes outside the check; a seccomp filter refuses new sockets.
* none: nothing but the limits. Only for a folder of one's own, or by an explicit choice.

In every tier: resource limits set before student code runs, a wall-clock limit for each call and each check taken by
the trusted side's clock, and a watchdog on the memory of the whole process tree. Whatever the child does, the trusted
side only ever sees bytes on a socket, and reads them with caps and a deadline. A call ends in an answer, in the
submission's own error, or in `WorkerLost`, which names what ended it; silence is never a pass.

Whose fault: a worker that cannot start, or a zygote that dies with no child running, raises `GraderFault`.
"""

from grader.sandbox.failures import CallError, CallFailed, WorkerLost
from grader.sandbox.limits import Limits
from grader.sandbox.session import Session
from grader.sandbox.tiers import choose_isolation
from grader.sandbox.work_folder import work_folder
from grader.sandbox.worker import Worker

__all__ = [
    "CallError",
    "CallFailed",
    "Limits",
    "Session",
    "Worker",
    "WorkerLost",
    "choose_isolation",
    "work_folder",
]
