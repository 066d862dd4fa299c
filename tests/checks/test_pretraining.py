"""Part 6: `train_segformer.py`, pre-trained on streets, then fine-tuned on pets from the file that it wrote itself.

Tensors are compared by digest, so that "unchanged" means every bit. A run is made by the first check that needs it.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

import numpy as np
import pytest

from grader.checking import CheckFailed, NotScored, Subject, fail, fail_by_itself
from grader.checking.experiments import Experiments
from grader.checking.script_data import CLASSES, IGNORED, LABELLED_SHARE, PET_ROOT, STREET_ROOT, pets, streets
from grader.checking.script_runs import (
    NEWER,
    Command,
    Made,
    Runs,
    expect_outputs,
    expect_schedule,
    expect_settings,
    expect_steps,
    is_set,
)
from grader.records import Edition
from grader.worker.names import half

SCRIPT = "train_segformer.py"
FILE, FOREIGN = "pretrained.pth", "another_network.pth"
LOWER = 0.0005
BATCH, CITY_EPOCHS, STREETS = 2, 2, 4
SMALL = ("--batch-size", str(BATCH), "--device", "cpu")
ON_STREETS = ("--dataset", "city", "--data-root", STREET_ROOT)
ON_PETS = ("--data-root", PET_ROOT, *SMALL, "--image-size", "32")
TUNED = (*ON_PETS, "--pretrained", FILE)
COMMANDS = {
    "city": (*ON_STREETS, *SMALL, "--image-size", "64", "--epochs", str(CITY_EPOCHS)),
    "tuned": (*TUNED, "--epochs", "0", "--seed", "11"),
    "again": (*TUNED, "--epochs", "0", "--seed", "12"),
    "frozen": (*TUNED, "--epochs", "1", "--freeze-encoder"),
    "whole": (*TUNED, "--epochs", "1", "--lr", str(LOWER)),
    "foreign": (*ON_PETS, "--pretrained", FOREIGN, "--epochs", "0"),
    "defaults": ON_STREETS,
}
# Midway between the share of labelled pixels and all of them: cropping and turning images moves it by less.
MOST_COUNTED = (LABELLED_SHARE + 1) / 2

Ask = Callable[[str], Made]
Find = Callable[[], Experiments]
# The trainings that are judged in their place where a script has no options.
SAME = {"city": ("city",), "tuned": ("fine-tuned",), "whole": ("tuned",), "frozen": ("frozen",)}


class Pretrained(NamedTuple):
    """A weights file to start from: its bytes, and the digest of each tensor."""

    content: np.ndarray
    digests: Mapping[str, str]

    def half(self, name: str) -> dict[str, str]:
        """The digests of the encoder or the decoder."""
        return half(dict(self.digests), name)


@pytest.fixture(scope="module")
def made() -> Runs:
    """The runs of this grading."""
    return Runs()


@pytest.fixture
def run(
    student: Subject,
    made: Runs,
    file: Callable[[], Pretrained],
    rng: np.random.Generator,
    edition: Edition,
    experiments: Find,
) -> Ask:
    """A run by its name in `COMMANDS`; of the published handout, the training that did the same."""
    if edition == "original":
        return lambda name: experiments().get(*SAME[name])

    def command(name: str) -> Command:
        options = COMMANDS[name]
        files = streets(rng, STREETS) if STREET_ROOT in options else pets(rng)
        if FILE in options:
            files[FILE] = file().content
        if FOREIGN in options:
            files[FOREIGN] = {"stem.weight": rng.normal(size=(8, 3, 3, 3)).astype(np.float32)}
        return Command(SCRIPT, options, files, keep=name == "city", stop=name == "defaults")

    return lambda name: made.get(name, student, lambda: command(name))


@pytest.fixture
def training(run: Ask, experiments: Find, edition: Edition) -> Made:
    """The run `city`, or a training of a script that knows no options of ours, with either data set."""
    try:
        return run("city")
    except NotScored as ending:
        if NEWER not in str(ending) and edition == "current":
            raise
    return experiments().get("city", "segformer")


@pytest.fixture(scope="module")
def files() -> dict[str, Pretrained]:
    """The file of this grading, once it is made."""
    return {}


@pytest.fixture
def file(
    made: Runs, files: dict[str, Pretrained], reference: Subject, evaluator: Subject, rng: np.random.Generator
) -> Callable[[], Pretrained]:
    """A file of the form that the submission's pre-training has written, or the reference's where that failed.

    Its values are drawn by the solution's worker, from the secret seed: a script that makes the same encoder again
    instead of loading the file does not have them.
    """

    def renewed(weights: np.ndarray | None) -> Pretrained:
        answer = evaluator.weights_renewed(weights=np.asarray(weights), seed=int(rng.integers(1 << 31)))
        return Pretrained(answer["weights"], answer["digests"])

    def pretrain() -> Pretrained:
        if FILE not in files:
            own = made.known("city")
            if own is not None and own.run.kept is not None:
                with suppress(CheckFailed):
                    files[FILE] = renewed(own.run.kept)
        if FILE not in files:
            command = Command(SCRIPT, COMMANDS["city"], streets(rng), keep=True)
            files[FILE] = renewed(made.get("city of the reference", reference, lambda: command).run.kept)
        return files[FILE]

    return pretrain


def test_city_runs(run: Ask, edition: Edition, experiments: Find) -> None:
    """Pre-training on streets runs to its end and leaves a state dict."""
    if edition == "original":
        city = experiments().expect_runs("city", SCRIPT, "city")
        if not city.run.saved:
            fail("Pre-training leaves no model to start from.", expected="a weights file", **city.end())
        return
    city = run("city")
    city.expect_end()
    city.expect_seen(city.run.steps, "a step of an optimizer")
    expect_steps(city, CITY_EPOCHS * STREETS // BATCH)
    city.checkpoint("last")


def test_city_classes(run: Ask) -> None:
    """On streets the network has 19 outputs, and the labels 0 to 18 reach the loss as they are."""
    city = run("city")
    city.expect_seen(city.run.losses or city.run.steps, "a step of an optimizer")
    if not city.run.losses and city.run.ended:
        raise NotScored("No cross entropy was seen, so nobody can tell which labels it would be given.")
    expect_outputs(city, CLASSES)
    labels = {label for loss in city.run.losses for label in loss.labels}
    labels -= {IGNORED, *(loss.ignored for loss in city.run.losses)}
    if labels and (min(labels), max(labels)) != (0, CLASSES - 1):
        found = f"{min(labels)} to {max(labels)}"
        fail("The labels of the streets were changed.", expected=f"0 to {CLASSES - 1}", found=found)


def test_ignored_label(run: Ask) -> None:
    """Pixels labelled 255 take no part in the loss."""
    city = run("city")
    city.expect_seen(city.run.losses, "a cross entropy")
    if not any(loss.counted for loss in city.run.losses):
        fail("No pixel takes part in the loss.", expected="all that are not labelled 255", found="none")
    for loss in city.run.losses:
        if IGNORED in loss.labels and loss.ignored != IGNORED:
            found = f"ignore_index={loss.ignored}, and labels of 255"
            fail("Pixels labelled 255 reach the loss as a class.", expected=f"ignore_index={IGNORED}", found=found)
        if loss.pixels > 0 and loss.counted > MOST_COUNTED * loss.pixels:
            fail(
                "Pixels labelled 255 count for another class.",
                expected=f"{LABELLED_SHARE:.0%} of the pixels in the loss, which are labelled",
                found=f"{loss.counted / loss.pixels:.0%}",
            )


def test_optimizer(student: Subject, training: Made) -> None:
    """The SegFormer trains with AdamW, amsgrad and a learning rate of 0.001."""
    student.remark = expect_settings(training)


def test_scheduler(student: Subject, training: Made) -> None:
    """The SegFormer's learning rate decays exponentially with gamma 0.98."""
    student.remark = expect_schedule(training)


def halves(made: Made, name: str) -> dict[str, str]:
    """The encoder or the decoder that a run left, as digests by name."""
    made.expect_end()
    file, found = made.checkpoint("last")
    tensors = half(dict(found.digests), name)
    if not tensors:
        first = ", ".join(list(found.digests)[:3])
        fail(f"{file} has no {name}.", expected=f"keys that begin with {name}.", found=f"{first}, ...")
    return tensors


def fine_tuned(experiments: Experiments) -> list[Made]:
    """The trainings of a script without our options that start from a file, or were to."""
    experiments.get("fine-tuned")
    return experiments.all("fine-tuned")


def from_a_file(made: Made, name: str) -> dict[str, bool]:
    """Of each tensor of the encoder or decoder at the first step, whether it is in a file that was loaded."""
    known = {value for file in made.files.values() for value in file.values()}
    return {key: value in known for key, value in half(dict(made.run.start), name).items()}


def expect_arrived(experiments: Experiments) -> None:
    """Fail unless each fine-tuning starts with the whole encoder of a file."""
    if not experiments.all("fine-tuned"):
        experiments.expect_loaded()
    for made in fine_tuned(experiments):
        other = [key for key, there in from_a_file(made, "encoder").items() if not there]
        if made.run.trainings[0].begun and other:
            files = ", ".join(made.files) or "none"
            fail_by_itself(
                "The encoder of the file did not arrive.",
                expected="all tensors of the encoder as they are in the file",
                found=f"{len(other)} differ, among them encoder.{other[0]}; files loaded: {files}",
                example=made.command.line,
            )


def test_encoder_loaded(run: Ask, file: Callable[[], Pretrained], edition: Edition, experiments: Find) -> None:
    """When fine-tuning starts, every tensor of the encoder equals the file's, bit for bit."""
    if edition == "original":
        expect_arrived(experiments())
        return
    expected, found = file().half("encoder"), halves(run("tuned"), "encoder")
    other = [name for name, value in found.items() if expected.get(name) != value]
    if other:
        fail(
            "The encoder of the file did not arrive.",
            expected=f"all {len(found)} tensors of the encoder as they are in the file",
            found=f"{len(other)} differ, among them encoder.{other[0]}",
            example=run("tuned").command.line,
        )


def left(made: Made, name: str) -> dict[str, str]:
    """The encoder or the decoder at the end of a training, which a script without our options saves where it likes."""
    if made.command.typed is None:
        return halves(made, name)
    return half(dict(made.run.trainings[0].final), name)


def drawn(decoder: Mapping[str, str], shapes: Mapping[str, list[int]]) -> dict[str, str]:
    """The weights of a decoder that are drawn at random; biases and norms begin as constants."""
    return {name: value for name, value in decoder.items() if len(shapes.get(name, ())) > 1}


def test_decoder_fresh(run: Ask, file: Callable[[], Pretrained], edition: Edition, experiments: Find) -> None:
    """The decoder starts at random: it is neither the file's nor the same for two seeds."""
    if edition == "original":
        for made in fine_tuned(experiments()):
            if same := [key for key, there in from_a_file(made, "decoder").items() if there]:
                found = f"{len(same)} tensors are the file's, among them decoder.{same[0]}"
                message = "The decoder is the file's, at least in part."
                fail_by_itself(message, expected="other random weights", found=found, example=made.command.line)
        return
    tuned = run("tuned")
    tuned.expect_seen(tuned.run.checkpoints, "a saved model")
    shapes = half(dict(tuned.checkpoint("last")[1].shapes), "decoder")
    fresh = drawn(halves(tuned, "decoder"), shapes)
    others = {"the file's": file().half("decoder"), "that of another seed": None}
    for whose, other in others.items():
        decoder = halves(run("again"), "decoder") if other is None else other
        same = [name for name, value in fresh.items() if decoder.get(name) == value]
        if same:
            fail(
                f"The decoder is {whose}, at least in part.",
                expected="other random weights",
                found=f"{len(same)} of {len(fresh)} weights are equal, among them decoder.{same[0]}",
                example=tuned.command.line,
            )


def test_foreign_file(run: Ask) -> None:
    """A file without this encoder ends the script with an error, so that loading nothing cannot go unnoticed."""
    foreign = run("foreign")
    if foreign.run.status == 0:
        message = "A file in which no key fits was taken for a pre-trained encoder."
        fail(message, expected="an error and another exit code than 0", **foreign.end())


def test_frozen_encoder(run: Ask, file: Callable[[], Pretrained], made: Runs, edition: Edition) -> None:
    """With a frozen encoder, training leaves every tensor of it as it is in the file, bit for bit."""
    if edition == "original":
        frozen = run("frozen")
        before, after = half(dict(frozen.run.start), "encoder"), half(dict(frozen.run.trainings[0].final), "encoder")
        expect_unmoved(before, after, frozen)
        return
    whole = made.known("whole")
    if run("frozen").run.error is not None and whole is not None and whole.run.error is not None:
        raise NotScored("Fine-tuning breaks off without freezing, too, so nobody can tell what freezing does.")
    expect_unmoved(file().half("encoder"), halves(run("frozen"), "encoder"), run("frozen"))


def expect_unmoved(before: Mapping[str, str], after: Mapping[str, str], frozen: Made) -> None:
    """Fail unless every tensor of a frozen encoder is what it was."""
    moved = [name for name, value in after.items() if before.get(name) != value]
    if moved:
        fail(
            "Training has changed the frozen encoder.",
            expected="the encoder that it started with",
            found=f"{len(moved)} of {len(after)} tensors differ, among them encoder.{moved[0]}",
            example=frozen.command.line,
        )


def test_frozen_optimizer(run: Ask) -> None:
    """With `--freeze-encoder`, the optimizer holds the decoder's parameters, all of them and no others."""
    expect_held(run("frozen"), ("decoder",))


def test_everything_trains(run: Ask) -> None:
    """Without freezing, the optimizer holds encoder and decoder, and training moves both."""
    whole = run("whole")
    expect_held(whole, ("encoder", "decoder"))
    for name in ("encoder", "decoder"):
        before, after = half(dict(whole.run.start), name), left(whole, name)
        if all(after.get(key) == value for key, value in before.items()):
            fail(f"Training does not change the {name}.", expected="other weights after an epoch", found="the same")


def expect_held(made: Made, names: tuple[str, ...]) -> None:
    """Fail unless the optimizer holds exactly the parameters of these halves of the network."""
    made.expect_seen(made.run.steps, "a step of an optimizer")
    parameters = {name: name for name in made.run.trained}
    parts = {name: set(half(parameters, name).values()) for name in ("encoder", "decoder")}
    found = {name: part & set(made.optimizer.held) for name, part in parts.items()}
    if any(found[name] != (parts[name] if name in names else set()) for name in parts):
        said = " and ".join(f"{len(found[name])} of {len(parts[name])} of the {name}" for name in parts)
        expected = " and ".join(f"all {len(parts[name])} of the {name}" for name in names)
        fail_by_itself(
            "The optimizer holds other parameters.", expected=expected, found=said, example=made.command.line
        )


def test_learning_rate(run: Ask) -> None:
    """`--lr` sets the learning rate, so that fine-tuning can use a lower one."""
    whole = run("whole")
    rate = whole.optimizer.rate
    if not is_set(rate, LOWER):
        fail(
            "--lr does not set the learning rate.", expected=f"{LOWER:g}", found=f"{rate:g}", example=whole.command.line
        )


def test_defaults(run: Ask) -> None:
    """Without arguments, pre-training has the settings of the handout: 40 epochs, batches of 16."""
    defaults = run("defaults")
    if not isinstance(defaults.run.arguments.get("epochs"), int):
        raise NotScored("The names of the arguments are others in the code, so their defaults cannot be read.")
    defaults.expect_seen(defaults.run.steps, "a first step")
    batch = next((loader.batch_size for loader in defaults.run.loaders if loader.shuffled), None)
    size = defaults.run.forwards[0].shape[2:] if defaults.run.forwards else []
    found = f"{defaults.run.arguments['epochs']} epochs, batches of {batch}, images of {' x '.join(map(str, size))}"
    if found != (expected := "40 epochs, batches of 16, images of 64 x 64"):
        fail("A default is not the handout's.", expected=expected, found=found)
