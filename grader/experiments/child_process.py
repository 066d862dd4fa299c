"""Turn into a script that is killed with the process that started it.

    python -m grader.experiments.child_process script.py ARGUMENT...

A training that outlives a killed reproduction would hold the machine for an hour and write among the next run's files.
It stands outside `reproduction`, whose imports would cost each training seconds.
"""

import os
import sys

from grader.worker.confine import die_with_parent

if __name__ == "__main__":
    die_with_parent()
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])  # noqa: S606 - our own arguments, no shell
