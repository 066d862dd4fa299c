"""What tests of the harness share."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from grader.commands.example import write_example
from grader.naming.mistakes import apply_patch
from grader.sandbox import Limits, Worker, choose_isolation, work_folder
from tests.submissions.planted import FOLDER, NOT_HANDED_IN, REFERENCE


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example hand-in, as the command makes it."""
    folder = tmp_path_factory.mktemp("example") / "group_7"
    write_example(folder)
    return folder


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Makes a submission: the solution, or a right one written otherwise, with some of its lines exchanged."""

    def make(right: str | None, *changes: tuple[str, str, str]) -> Path:
        source = tmp_path / "group_7"
        shutil.copytree(REFERENCE, source, ignore=NOT_HANDED_IN)
        if right is not None:
            apply_patch(FOLDER / "right" / f"{right}.patch", source)
        for name, old, new in changes:
            text = (source / name).read_text()
            assert old in text, f"{name} does not hold {old!r}"
            (source / name).write_text(text.replace(old, new))
        return source

    return make


@pytest.fixture(scope="module")
def place() -> Iterator[tuple[Worker, Path]]:
    """A worker with little time, and the folder that it takes scripts from."""
    with ExitStack() as stack:
        folder = stack.enter_context(work_folder())
        folder.chmod(0o755)
        tier, _ = choose_isolation(None, own_folder=True)
        limits = Limits(script_seconds=20)
        yield stack.enter_context(Worker("submission", folder, tier, limits, preload=("torchvision",))), folder
