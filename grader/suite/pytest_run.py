"""A run of pytest over the suites, which no setting of a user's own changes."""

import os
import sys
import warnings
from pathlib import Path
from unittest import mock

import pytest

from grader.errors import GraderFault
from grader.suite.evidence import Evidence
from grader.suite.plugin import GraderPlugin

PYTEST_OPTIONS = (
    *(
        "-c",
        os.devnull,
        "--import-mode=importlib",
        "--noconftest",
        "--capture=no",
        "--disable-plugin-autoload",
        "--assert=plain",
    ),
    *("-p", "no:cacheprovider", "-p", "no:terminal", "-p", "no:faulthandler", "-p", "no:warnings"),
    *("-p", "no:unraisableexception", "-p", "no:threadexception"),  # they only warn, and collect garbage for it
)
# It asks git and the processor for their particulars, which takes longer than some checks.
FOR_THROUGHPUT = ("-p", "pytest_benchmark.plugin")


def run_checks(plugin: GraderPlugin, folder: Path) -> Evidence:
    """Run the suites in `folder` that the plugin's rubric names; what they have shown, also where a user broke it off.

    Raises:
        GraderFault: pytest could not run them.
    """
    if not plugin.suites:
        return plugin.evidence  # given no file, pytest would look for tests everywhere
    # Options and plugins that a user has for tests of their own would change which checks run, and how.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    try:
        with mock.patch.dict(os.environ, environment, clear=True), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pytest's plugins, which nobody who grades can heed
            suites = [str(folder / name) for name in plugin.suites]
            options = [*PYTEST_OPTIONS, *(FOR_THROUGHPUT if "test_throughput.py" in plugin.suites else ())]
            code = pytest.main([*suites, f"--rootdir={folder}", *options], plugins=[plugin])
    finally:
        forget_modules_in(folder)
    if plugin.problem is not None:
        raise GraderFault(f"The checks cannot be run: {plugin.problem}.")
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED):
        raise GraderFault(f"pytest ended with {pytest.ExitCode(code).name} and gave no verdicts.")
    plugin.evidence.finished = code != pytest.ExitCode.INTERRUPTED
    return plugin.evidence


def forget_modules_in(folder: Path) -> None:
    """Have the next run import its suites anew, since a run wraps and seeds their Hypothesis tests."""
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(f"{folder}{os.sep}"):
            del sys.modules[name]
