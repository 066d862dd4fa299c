"""What tests of the harness share."""

from pathlib import Path

import pytest

from grader.commands.example import write_example


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example hand-in, as the command makes it."""
    folder = tmp_path_factory.mktemp("example") / "group_7"
    write_example(folder)
    return folder
