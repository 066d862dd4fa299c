"""Part 4: `train.py`, run by command line in a fresh folder on a few images, and judged by what it did.

A run is made by the first check that needs it. Whatever the script did before it broke off is judged all the same.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pytest

from grader.answers.script_form import Forward
from grader.checking import NotScored, Subject, fail, nearest
from grader.checking.experiments import Experiments
from grader.checking.script_data import PET_ROOT, pets, pictures
from grader.checking.script_runs import (
    NEWER,
    RATE,
    Command,
    Made,
    Runs,
    expect_outputs,
    expect_schedule,
    expect_settings,
    expect_steps,
)
from grader.checking.tolerances import tolerance
from grader.records import Edition
from grader.worker.names import bare

SCRIPT = "train.py"
Find = Callable[[], Experiments]
EPOCHS, CLASSES = 3, 3
LOWER, BATCH = 0.0005, 2
SMALL = ("--data-root", PET_ROOT, "--batch-size", str(BATCH), "--image-size", "32", "--device", "cpu")
COMMANDS = {
    "scratch": (*SMALL, "--weights", "scratch", "--epochs", str(EPOCHS), "--val-frequency", "2", "--lr", str(LOWER)),
    "backbone": (*SMALL, "--weights", "backbone", "--epochs", "0"),
    "defaults": ("--data-root", PET_ROOT),
    "nowhere": ("--data-root", "nowhere"),
}
# The trainings that are judged in their place where a script has no options.
SAME = {"scratch": ("scratch", "fcn"), "backbone": ("backbone",)}
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
COLOURS = tolerance(
    "fcn.colours",
    "absolute",
    "JPEG shifts a colour by up to 3 of 255, which is 0.05 here; forgetting to normalise, by 0.5",
    rule=0.1,
)
SPLITS = ("trainval", "test")
# Of means, by which one picture differs from another: two of a split by 20 of 255 or more, whatever they are scaled by.
APART = 0.02
# Of a ResNet, what no FCN has; and what training moves before its first step.
HEAD, MOVED = re.compile(r"^fc\."), re.compile(r"^fc\.|running_|num_batches")
COLUMNS = ["epoch", "train_loss", "train_miou", "val_loss", "val_miou"]


@pytest.fixture(scope="module")
def made() -> Runs:
    """The runs of this grading."""
    return Runs()


@pytest.fixture
def run(
    student: Subject, made: Runs, rng: np.random.Generator, edition: Edition, experiments: Find
) -> Callable[[str], Made]:
    """A run by its name in `COMMANDS`; of the published handout, the training that did the same."""
    if edition == "original":
        return lambda name: experiments().get(*SAME[name])
    return lambda name: made.get(name, student, lambda: command(name, rng))


@pytest.fixture
def training(run: Callable[[str], Made], experiments: Find) -> Made:
    """The run `scratch`, or the training of a script that knows no options of ours."""
    try:
        return run("scratch")
    except NotScored as ending:
        if NEWER not in str(ending):
            raise
    return experiments().get(*SAME["scratch"])


def command(name: str, rng: np.random.Generator) -> Command:
    """A command line by its name, with the data that it needs."""
    files = {} if name == "nowhere" else pets(rng)
    return Command(SCRIPT, COMMANDS[name], files, stop=name == "defaults")


def test_runs(run: Callable[[str], Made], edition: Edition, experiments: Find) -> None:
    """`train.py` runs to its end and ends with exit code 0."""
    if edition == "original":
        experiments().expect_runs("fcn", SCRIPT)
        return
    scratch = run("scratch")
    scratch.expect_end()
    scratch.expect_seen(scratch.run.steps, "a step of an optimizer")
    expect_steps(scratch, EPOCHS * len(pictures(scratch.command.files, "trainval")) // BATCH)


def test_scratch(run: Callable[[str], Made], edition: Edition, experiments: Find) -> None:
    """From scratch, no trained weights are asked for, neither the network's nor the backbone's."""
    if edition == "original":
        expect_scratch(experiments())
        return
    scratch = run("scratch")
    if scratch.run.requests:
        wanted = ", ".join(sorted({request.name for request in scratch.run.requests}))
        fail(
            "From scratch means random weights, but trained ones were asked for.",
            expected="no request",
            found=wanted,
            example=scratch.command.line,
        )
    scratch.expect_seen(scratch.run.optimizers, "an optimizer")


def expect_scratch(experiments: Experiments) -> None:
    """Fail where no training is from scratch, and one got a backbone's weights that another one asks for."""
    with_weights = experiments.all("backbone")
    silent = [made for made in with_weights if all(request.by_default for request in made.run.requests)]
    if experiments.all("scratch") or not 0 < len(silent) < len(with_weights):
        experiments.get("scratch")
        return
    fail(
        "From scratch means random weights, but torchvision's default for the backbone fetches trained ones.",
        expected="weights_backbone=None",
        found=silent[0].run.requests[0].name,
        example=silent[0].command.line,
    )


def test_backbone(run: Callable[[str], Made]) -> None:
    """With a backbone, the ImageNet weights of ResNet-50 are asked for, and nothing else."""
    backbone = run("backbone")
    if not backbone.run.requests:
        backbone.expect_seen(backbone.run.optimizers, "an optimizer")
    names = {request.name: request.file for request in backbone.run.requests}
    if len(names) != 1 or not next(iter(names.values())).startswith("resnet50-"):
        fail(
            "Other trained weights were asked for than the backbone's.",
            expected="ResNet50_Weights.IMAGENET1K_V1 or _V2",
            found=", ".join(sorted(names)) or "no request",
            example=backbone.command.line,
        )


def test_backbone_start(run: Callable[[str], Made]) -> None:
    """Training starts from the backbone's trained weights: `--epochs 0` writes all of them as they came."""
    backbone = run("backbone")
    if backbone.command.typed is None:
        name, found = backbone.checkpoint("last")
        saved, left_out = bare(found.digests), HEAD
    else:
        name, saved, left_out = "the network at the first step", bare(dict(backbone.run.start)), MOVED
    served = backbone.run.requests[0].digests
    expected = {key: value for key, value in served.items() if not left_out.search(key)}
    lost = [key for key, value in expected.items() if saved.get(f"backbone.{key}") != value]
    if lost:
        fail(
            "The saved network does not hold the trained backbone.",
            expected=f"{len(expected)} tensors of the backbone as they were served",
            found=f"{len(lost)} are missing or differ in {name}, among them backbone.{lost[0]}",
            example=backbone.command.line,
        )


def test_classes(training: Made) -> None:
    """The network scores the three classes of the pets."""
    expect_outputs(training, CLASSES)


def test_optimizer(student: Subject, training: Made) -> None:
    """AdamW with amsgrad trains all parameters, at the learning rate that `--lr` asks for, or else at 0.001."""
    student.remark = expect_settings(training, LOWER if training.command.typed is None else RATE)
    left_out = sorted(training.run.trained.keys() - set(training.optimizer.held))
    if left_out:
        fail(
            "The optimizer does not train everything.",
            expected=f"all {len(training.run.trained)} parameters",
            found=f"{len(left_out)} are left out, among them {left_out[0]}",
        )


def test_scheduler(student: Subject, training: Made) -> None:
    """The learning rate decays exponentially with gamma 0.98."""
    student.remark = expect_schedule(training)


def test_loss(training: Made) -> None:
    """The loss is a cross entropy of scores and integer labels."""
    training.expect_seen(training.run.losses, "a cross entropy")
    if not all(loss.integral for loss in training.run.losses):
        fail("The loss is given other labels.", expected="integer labels (b, h, w)", found="floating-point numbers")


def test_splits(run: Callable[[str], Made]) -> None:
    """The network is trained on the split `trainval` and validated on `test`, each of whose pictures it sees."""
    scratch = run("scratch")
    trained, validated = (shown(scratch.run.forwards, training=training) for training in (True, False))
    scratch.expect_seen(trained and validated, "training and validation")
    for images, split, doing in ((trained, "trainval", "trained"), (validated, "test", "validated")):
        found = {"trainval" if red > blue else "test" for red, _, blue in images}
        if found != {split}:
            fail(f"The network is {doing} on other images.", expected=f"split {split}", found=listed(sorted(found)))
        number = len(pictures(scratch.command.files, split))
        if (seen := distinct(images)) < number:
            fail(f"The network is {doing} on fewer images.", expected=f"all {number} of the split", found=f"{seen}")


def shown(forwards: Iterable[Forward], *, training: bool) -> list[list[float]]:
    """The mean of each channel of each image that the network saw."""
    return [image for forward in forwards if forward.training is training for image in forward.means]


def distinct(images: Iterable[list[float]]) -> int:
    """How many images are told apart by their means, those of one epoch from those of another only if they differ."""
    known: list[np.ndarray] = []
    for image in map(np.array, images):
        if all(float(np.abs(image - other).max()) > APART for other in known):
            known.append(image)
    return len(known)


def normalised(files: Mapping[str, Any], split: str) -> list[np.ndarray]:
    """The means of each picture of a split as they are to reach the network."""
    return [(picture.colour / 255 - MEAN) / STD for picture in pictures(dict(files), split)]


def test_images(training: Made) -> None:
    """Images reach the network scaled to 0..1 and normalised with ImageNet's mean and standard deviation."""
    images = shown(training.run.forwards, training=False) or shown(training.run.forwards, training=True)
    training.expect_seen(images, "images for the network")
    colours = np.array([each for split in SPLITS for each in normalised(training.command.files, split)])
    for image in np.array(images):
        if nearest(image, colours, COLOURS) is None:
            gaps = np.abs(colours - image).max(axis=1)
            closest = int(np.argmin(gaps))
            pixels = colours[closest] * STD * 255 + MEAN * 255
            fail(
                "Images reach the network in another range.",
                expected=f"channel means {rounded(colours[closest])}: (pixel / 255 - mean) / std",
                found=f"channel means {rounded(image)}",
                example=f"an image of the colour {tuple(round(pixel) for pixel in pixels)}",
            )


def rounded(values: np.ndarray) -> str:
    """Three numbers, for a reader."""
    return ", ".join(f"{value:.2f}" for value in values)


def test_labels(training: Made) -> None:
    """Labels 1, 2, 3 reach the loss as 0, 1, 2, and resizing a mask invents none."""
    together = sorted({label for loss in training.run.losses for label in loss.labels})
    training.expect_seen(together, "labels for the loss")
    if not set(together) <= {0, 1, 2} or (training.run.ended and len(together) != CLASSES):
        fail("The labels at the loss are wrong.", expected="0, 1, 2 for 1, 2, 3 on disk", found=listed(together))
    images = [image for loss in training.run.losses for image in loss.by_image]
    mixed = next((image for image in images if 1 in image and len(image) > 1), None)
    if mixed is not None:
        fail(
            "A mask has labels at the loss that it does not have on disk.",
            expected="0, 2",
            found=listed(mixed),
            example="a mask with stripes of the labels 1 and 3, and no 2",
        )
    expect_own_masks(training)


def expect_own_masks(training: Made) -> None:
    """Fail where an image of validation reaches the loss with the labels of another one."""
    files = training.command.files
    known = [picture for split in SPLITS for picture in pictures(dict(files), split)]
    colours = [each for split in SPLITS for each in normalised(files, split)]
    forwards, losses = (
        [each for each in seen if not each.training] for seen in (training.run.forwards, training.run.losses)
    )
    if len(forwards) != len(losses):
        return  # nobody can tell which belong together
    for forward, loss in zip(forwards, losses, strict=True):
        for means, labels in zip(forward.means, loss.by_image, strict=False):
            place = nearest(np.array(means), colours, COLOURS)
            if place is not None and frozenset(labels) != known[place].labels:
                expected, found = listed(sorted(known[place].labels)), listed(labels)
                fail("An image reaches the loss with labels that are not its own.", expected=expected, found=found)


def listed(values: Iterable[object]) -> str:
    """Values with commas between them."""
    return ", ".join(map(str, values))


def test_history(run: Callable[[str], Made]) -> None:
    """`history.csv` has a row for each epoch, whose validation cells are empty where there was none."""
    scratch = run("scratch")
    rows = scratch.run.history
    if rows is None:
        fail("There is no history.csv.", expected="history.csv in the folder that --output names", **scratch.end())
    text = "\n".join(",".join(row) for row in rows)
    header, *body = rows or [[]]
    if [cell.strip() for cell in header] != COLUMNS or len(body) != EPOCHS or {len(row) for row in body} != {5}:
        fail("history.csv has another form.", expected=f"{listed(COLUMNS)}, then {EPOCHS} rows", found=text)
    trained = [number(cell) for row in body for cell in row[:3]]
    validated = [[number(cell) for cell in row[3:]] for row in body if any(cell.strip() for cell in row[3:])]
    if None in trained or any(None in row for row in validated) or not 0 < len(validated) < EPOCHS:
        expected = f"numbers; val_loss and val_miou empty in the epoch of {EPOCHS} without validation"
        fail("history.csv has other values.", expected=expected, found=text, example=scratch.command.line)


def number(cell: str) -> float | None:
    """A finite number in a cell, None if there is none."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def test_checkpoints(run: Callable[[str], Made]) -> None:
    """The best and the last model are saved as state dicts of the whole network."""
    scratch = run("scratch")
    for which in ("best", "last"):
        name, found = scratch.checkpoint(which)
        keys = bare(found.shapes)
        for half in ("backbone.", "classifier."):
            if not any(key.startswith(half) for key in keys):
                first = listed(list(keys)[:3])
                fail(f"{name} does not hold the whole network.", expected=f"keys with {half}", found=f"{first}, ...")


def test_defaults(run: Callable[[str], Made]) -> None:
    """Without arguments, the settings are those of the handout."""
    defaults = run("defaults")
    arguments = defaults.run.arguments
    if not all(isinstance(arguments.get(name), int) for name in ("epochs", "val_frequency")):
        raise NotScored("The names of the arguments are others in the code, so their defaults cannot be read.")
    defaults.expect_seen(defaults.run.steps, "a first step")
    found = {
        "epochs": arguments["epochs"],
        "validation every": arguments["val_frequency"],
        "batch size": next((loader.batch_size for loader in defaults.run.loaders if loader.shuffled), None),
        "image size": tuple(defaults.run.forwards[0].shape[2:]) if defaults.run.forwards else None,
        "learning rate": round(defaults.optimizer.rate, 6),
    }
    expected = dict(zip(found, (30, 2, 64, (64, 64), 0.001), strict=True))
    wrong = [name for name in found if found[name] != expected[name]]
    if wrong:
        fail(
            "A default is not the handout's.",
            expected=listed(f"{name} {expected[name]}" for name in wrong),
            found=listed(f"{name} {found[name]}" for name in wrong),
        )


def test_missing_data(run: Callable[[str], Made]) -> None:
    """A data root that does not exist ends the script with a message that names it, without a traceback."""
    nowhere = run("nowhere")
    if nowhere.run.status == 0:
        fail("Without data the script ends as if all were well.", expected="another exit code than 0", **nowhere.end())
    expected = "a message that names the folder, by SystemExit or parser.error"
    if (error := nowhere.run.error) is not None:
        found, line = f"{error.type} in {error.where}, and its traceback", nowhere.command.line
        fail("A missing data root ends in a traceback.", expected=expected, found=found, example=line)
    if "nowhere" not in nowhere.said:
        fail("A missing data root is not told clearly.", expected=expected, **nowhere.end())
