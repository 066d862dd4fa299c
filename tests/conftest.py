"""Settings of every test run."""

import signal


def pytest_configure() -> None:
    """Let Ctrl-C reach the commands that tests start: a shell has what runs in its background ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
