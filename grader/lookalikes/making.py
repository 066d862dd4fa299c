"""Writing the look-alikes: which images there are, and getting all of them onto the disk, now or in several runs."""

import fcntl
import io
import json
import multiprocessing
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from grader.errors import GraderFault, UsageError
from grader.lookalikes.canvas import Picture
from grader.lookalikes.figures import BREEDS
from grader.lookalikes.pets import draw_pet
from grader.lookalikes.streets import draw_street
from grader.records import Scale
from grader.sandbox.limits import usable_cores

MOST_PROCESSES = 8
VERSION: Final = 1
"""Raised whenever the same seed gives other images, so that old and new ones never stand in one set."""

MARKER: Final = ".lookalikes.json"
PETS, STREETS = "oxford-iiit-pet", "cityscapes"
CITIES: Final[Mapping[str, tuple[str, ...]]] = {"train": ("aachen", "bremen", "ulm"), "val": ("frankfurt", "lindau")}
SPLITS: Final = ("trainval", "test", "train", "val")

Progress = Callable[[int, int], None]
"""Is told how many images exist and how many there will be."""


class Counts(NamedTuple):
    """How many images each split has."""

    trainval: int
    test: int
    train: int
    val: int


SCALES: Final[Mapping[Scale, Counts]] = {
    "smoke": Counts(trainval=160, test=80, train=320, val=40),
    "full": Counts(trainval=3680, test=3669, train=2975, val=500),  # as many as the real sets have
}


class Task(NamedTuple):
    """One image to draw: the number of its kind within its split, and its two files, relative to the root."""

    split: str
    number: int
    image: str
    mask: str


def make_lookalikes(
    root: Path,
    scale: Scale,
    seed: int = 0,
    *,
    counts: Counts | None = None,
    workers: int = 0,
    progress: Progress | None = None,
) -> None:
    """Make all look-alikes of a scale in `root`, or those that a run that was broken off did not get to.

    A set that is finished is left as it is, at once. A second process that is asked for the same set waits for the
    first one.

    Args:
        root: the folder that is to hold `oxford-iiit-pet/` and `cityscapes/`; made if it does not exist.
        scale: how many images, by `SCALES`.
        seed: the same seed gives the same bytes.
        counts: other numbers of images than the scale's, for tests.
        workers: how many processes draw; 0 takes as many as there are cores for this process, at most 8.
        progress: is told after each image.

    Raises:
        UsageError: `root` holds other data, or cannot be written to.
    """
    wanted = {"version": VERSION, "scale": scale, "seed": seed, "counts": list(counts or SCALES[scale])}
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _alone_in(root):
            if _state(root, wanted) == "finished":
                return
            _write_text(root / MARKER, json.dumps({**wanted, "finished": False}))
            _make_missing(root, seed, counts or SCALES[scale], workers, progress or (lambda _done, _total: None))
            _write_text(root / MARKER, json.dumps({**wanted, "finished": True}))
    except OSError as error:
        raise UsageError(f"The look-alikes cannot be written to {str(root)!r}: {error.strerror or error}.") from error


@contextmanager
def _alone_in(root: Path) -> Iterator[None]:
    """Hold the folder's lock, which the kernel takes back from a process that dies."""
    with (root / ".lookalikes.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _state(root: Path, wanted: Mapping[str, object]) -> Literal["empty", "begun", "finished"]:
    """Say how far the wanted set has come; UsageError where `root` holds something else."""
    marker = root / MARKER
    if not marker.exists():
        if real := [name for name in (PETS, STREETS) if (root / name).exists()]:
            raise UsageError(
                f"{str(root / real[0])!r} exists and was not made here: perhaps it is the real data set. "
                f"Give --root another folder."
            )
        return "empty"
    found = json.loads(marker.read_text(encoding="utf-8"))
    for key, value in wanted.items():
        if found.get(key) != value:
            raise UsageError(
                f"{str(root)!r} holds look-alikes of {key} {found.get(key)}, and {key} {value} is asked for; "
                f"one folder holds one set. Give --root another folder, or remove this one."
            )
    return "finished" if found["finished"] else "begun"


def _make_missing(root: Path, seed: int, counts: Counts, workers: int, progress: Progress) -> None:
    everything = tasks(counts)
    pictures = {(root / file).parent for task in everything for file in (task.image, task.mask)}
    for folder in {root / PETS / "annotations", *pictures}:
        folder.mkdir(parents=True, exist_ok=True)
    missing = [t for t in everything if not ((root / t.image).exists() and (root / t.mask).exists())]
    done = len(everything) - len(missing)
    progress(done, len(everything))
    worth_starting = len(missing) // 8 + 1
    processes = min(workers or usable_cores(), worth_starting, MOST_PROCESSES)
    for _ in _drawn(root, seed, missing, processes):
        done += 1
        progress(done, len(everything))
    for split, count in zip(SPLITS[:2], counts[:2], strict=True):
        _write_text(root / PETS / "annotations" / f"{split}.txt", pets_list(split, count))


def tasks(counts: Counts) -> list[Task]:
    """List all images of a set; those of a smaller set are the first of each split of a larger one."""
    return [
        Task(split, index, *(_pet_files if split in SPLITS[:2] else _street_files)(split, index))
        for split, count in zip(SPLITS, counts, strict=True)
        for index in range(count)
    ]


def _pet_name(split: str, index: int) -> str:
    """Name a pet after its breed, with odd numbers to train on and even ones to test on."""
    return f"{BREEDS[index % len(BREEDS)].name}_{2 * (index // len(BREEDS)) + 1 + (split == 'test')}"


def _pet_files(split: str, index: int) -> tuple[str, str]:
    name = _pet_name(split, index)
    return f"{PETS}/images/{name}.jpg", f"{PETS}/annotations/trimaps/{name}.png"


def _street_files(split: str, index: int) -> tuple[str, str]:
    city = CITIES[split][index % len(CITIES[split])]
    stem = f"{split}/{city}/{city}_{index:06d}_000019"
    return f"{STREETS}/leftImg8bit/{stem}_leftImg8bit.png", f"{STREETS}/gtFine/{stem}_gtFine_labelTrainIds.png"


def pets_list(split: str, count: int) -> str:
    """Return a list as the real one is: name, breed from 1, species (1 cat, 2 dog), breed within its species."""
    cats = [breed for breed in BREEDS if breed.is_cat]
    lines = []
    for index in range(count):
        number = index % len(BREEDS)
        is_cat = BREEDS[number].is_cat
        within = number + 1 if is_cat else number + 1 - len(cats)
        lines.append(f"{_pet_name(split, index)} {number + 1} {1 if is_cat else 2} {within}\n")
    return "".join(lines)


def _drawn(root: Path, seed: int, work: Sequence[Task], processes: int) -> Iterator[Task]:
    """Draw and write the images of some tasks, and yield after each."""
    if processes > 1:
        yield from _drawn_in_processes(root, seed, work, processes)
        return
    for task in work:
        draw_files(root, seed, task)
        yield task


def draw(seed: int, task: Task) -> Picture:
    """Draw one image and its labels."""
    rng = np.random.default_rng([seed, SPLITS.index(task.split), task.number])
    is_pet = task.split in SPLITS[:2]
    return draw_pet(rng, BREEDS[task.number % len(BREEDS)]) if is_pet else draw_street(rng)


def draw_files(root: Path, seed: int, task: Task) -> None:
    """Draw one image and write its two files."""
    picture = draw(seed, task)
    _write(root / task.mask, encoded(picture.labels, task.mask))
    _write(root / task.image, encoded(picture.image, task.image))


def _drawn_in_processes(root: Path, seed: int, work: Sequence[Task], processes: int) -> Iterator[Task]:
    """Share the work among processes of our own, which end when this one does, however it does.

    A pool's workers would outlive a parent that is killed; these find their pipe broken after the next image.
    """
    context = multiprocessing.get_context("spawn")
    waiting: dict[Connection, Iterator[Task]] = {}
    started = []
    try:
        for number in range(processes):
            share = work[number::processes]
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_work, args=(root, seed, share, theirs), daemon=True)
            _start_deaf_to_interrupts(process)
            theirs.close()
            started.append(process)
            waiting[ours] = iter(share)
        while waiting:
            for pipe in wait(list(waiting)):
                assert isinstance(pipe, Connection)
                if (task := _next_done(pipe, waiting[pipe])) is None:
                    del waiting[pipe]
                else:
                    yield task
    finally:
        for process in started:
            process.terminate()
            process.join()


def _start_deaf_to_interrupts(process: SpawnProcess) -> None:
    """Start a process that leaves Ctrl-C, which reaches the whole group, to this one."""
    # The first start would start this too, which lets interrupts through again, whatever was blocked before.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _next_done(pipe: Connection, share: Iterator[Task]) -> Task | None:
    """Return the task that a process has just done, None when it is through; raise what went wrong in it."""
    try:
        problem = pipe.recv()
    except EOFError:
        if unfinished := next(share, None):
            raise GraderFault(f"A process ended while it drew {unfinished.image}.") from None
        return None
    if problem is not None:
        raise problem
    return next(share)


def _work(root: Path, seed: int, work: Sequence[Task], pipe: Connection) -> None:
    """Draw in a process of its own; report None for each image, or the OSError that made it impossible."""
    try:
        for task in work:
            try:
                draw_files(root, seed, task)
            except OSError as error:
                pipe.send(error)
                return
            pipe.send(None)
    except BrokenPipeError:
        return


def encoded(pixels: NDArray[np.uint8], name: str) -> bytes:
    """Return the bytes of an image file, in the format that its name asks for."""
    buffer = io.BytesIO()
    if name.endswith(".jpg"):
        Image.fromarray(pixels).save(buffer, "jpeg", quality=92)
    else:
        Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()


def _write(path: Path, content: bytes) -> None:
    """Write a file under another name and rename it, so that a file that exists is always whole."""
    partial = path.with_name(f".{path.name}.part")
    partial.write_bytes(content)
    partial.replace(path)


def _write_text(path: Path, text: str) -> None:
    _write(path, text.encode())
