"""The reference's scripts, each run to its end on tiny data (Parts 4 to 6)."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from reference.dlvc.models.segformer import SegFormer
from tests.harness.tiny_data import write_pets, write_streets

DRIVER = Path(__file__).with_name("run_scripts.py")
SCRIPTS = Path(__file__).parents[2] / "reference"
CLASSES = 3


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Run all command lines; each result has its exit code, output, error output, requests and folder."""
    folder = tmp_path_factory.mktemp("runs")
    commands = command_lines(folder)
    done = subprocess.run(
        [sys.executable, "-W", "error", str(DRIVER), str(SCRIPTS)],
        input=json.dumps(commands),
        cwd=folder,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    keys = ("code", "out", "err", "requests")
    results = {
        name: SimpleNamespace(**dict(zip(keys, result, strict=True)), output=folder / output_of(name))
        for name, result in json.loads(done.stdout).items()
    }
    yield SimpleNamespace(**results)
    for path in folder.glob("*/*.pth"):  # an FCN takes 140 MB, and pytest keeps the folders of three runs
        path.unlink()


def output_of(name):
    """Return what a command line is told to write: a picture or a folder."""
    return f"{name}.png" if name.startswith("viz") else name


def command_lines(folder):
    """Return the command lines by name; what they read and write is in `folder`."""
    pets, streets = write_pets(folder / "pets"), write_streets(folder / "streets")
    broken_weights(folder)
    small = ["--image-size", "32", "--batch-size", "2", "--device", "cpu"]
    on_pets = ["--data-root", str(pets), *small]
    on_streets = ["--data-root", str(streets), *small, "--dataset", "city"]
    segformer = ["train_segformer.py", *on_pets, "--seed", "7", "--epochs"]
    pretrained = ["--pretrained", str(folder / "city" / "SegFormer_model_last.pth")]
    viz = ["viz_pets.py", "--data-root", str(pets), "--image-size", "32", "--num"]
    nowhere = ["--data-root", str(folder / "nowhere")]
    broken = ("absent", "garbage", "model", "short", "decoder", "shape")
    commands = {
        "fcn": ["train.py", *on_pets, "--epochs", "1"],
        "fcn_backbone": ["train.py", *on_pets, "--epochs", "0", "--weights", "backbone"],
        "city": ["train_segformer.py", *on_streets, "--epochs", "1"],
        "scratch0": [*segformer, "0"],
        "scratch2": [*segformer, "2"],
        "scratch2_again": [*segformer, "2"],
        "tuned0": [*segformer, "0", *pretrained],
        "tuned1": [*segformer, "1", *pretrained],
        "frozen1": [*segformer, "1", *pretrained, "--freeze-encoder"],
        "frozen_random": [*segformer, "0", "--freeze-encoder"],
        "no_pets": ["train.py", *nowhere],
        "no_city": ["train_segformer.py", *nowhere, "--dataset", "city"],
        "no_cuda": ["train.py", *on_pets, "--device", "cuda"],
        "no_epochs": [*segformer, "-1"],
        **{f"bad_{name}": [*segformer, "0", "--pretrained", str(folder / f"{name}.pth")] for name in broken},
        "viz": [*viz, "2"],
        "viz_segformer": [*viz, "2", "--weights", str(folder / "frozen1" / "SegFormer_model_last.pth")],
        "viz_fcn": [*viz, "2", "--weights", str(folder / "fcn" / "FCN_model_last.pth")],
        "viz_many": [*viz, "9"],
    }
    return {name: [*command, "--output", str(folder / output_of(name))] for name, command in commands.items()}


def broken_weights(folder):
    """Write files that hold no weights, or not the encoder of a SegFormer."""
    state = SegFormer(CLASSES).state_dict()
    (folder / "garbage.pth").write_text("no weights")
    torch.save({"net": state}, folder / "model.pth")
    key = "encoder.block2.1.attn.sr.weight"
    torch.save({name: value for name, value in state.items() if name != key}, folder / "short.pth")
    torch.save({name: value for name, value in state.items() if "decoder" in name}, folder / "decoder.pth")
    torch.save({**state, "encoder.norm1.bias": torch.zeros(5)}, folder / "shape.pth")


def state_of(run, suffix="last"):
    """Return the state dict that a run saved."""
    (path,) = run.output.glob(f"*_model_{suffix}.pth")
    return torch.load(path, weights_only=True)


def part(state, prefix):
    """Return the entries of a state dict whose keys begin with a prefix."""
    return {key: value for key, value in state.items() if key.startswith(prefix)}


def assert_same_state(found, expected):
    """Hold two state dicts to be equal in keys, order and bits."""
    assert list(found) == list(expected)
    assert [key for key in found if not torch.equal(found[key], expected[key])] == []


def changed_keys(before, after):
    """Return the keys of tensors that are not equal, bit for bit."""
    assert list(before) == list(after)
    return {key for key in before if not torch.equal(before[key], after[key])}


@pytest.mark.parametrize("name", ["fcn", "fcn_backbone", "city", "scratch2", "tuned1", "frozen1", "viz", "viz_fcn"])
def test_scripts_run_to_their_end(runs, name):
    """A script ends with exit code 0 and without a warning."""
    run = getattr(runs, name)
    assert (run.code, run.err) == (0, "")


@pytest.mark.parametrize(
    ("name", "epochs", "net"), [("fcn", 1, "FCN"), ("city", 1, "SegFormer"), ("scratch2", 2, "SegFormer")]
)
def test_scripts_write_their_results(runs, name, epochs, net):
    """A training leaves the best and the last model and a row of the history for each epoch."""
    folder = getattr(runs, name).output
    assert {path.name for path in folder.iterdir()} == {
        "history.csv",
        f"{net}_model_best.pth",
        f"{net}_model_last.pth",
    }
    assert len((folder / "history.csv").read_text().splitlines()) == 1 + epochs


def test_scratch_fetches_no_weights(runs):
    """`--weights scratch`, the default, asks for no weights: neither the model's nor the backbone's."""
    assert runs.fcn.requests == []


def test_backbone_weights_are_fetched_and_used(runs):
    """`--weights backbone` asks for ResNet-50's weights alone and has them in the saved model."""
    (url,) = runs.fcn_backbone.requests
    assert Path(url).name.startswith("resnet50-")
    assert (state_of(runs.fcn_backbone)["backbone.conv1.weight"] == 0.5).all()


def test_fcn_has_our_classes(runs):
    """The FCN has 3 classes and no auxiliary classifier."""
    state = state_of(runs.fcn_backbone)
    assert state["classifier.4.weight"].shape[0] == CLASSES
    assert part(state, "aux") == {}


def test_same_seed_trains_the_same_model(runs):
    """On the CPU, the same seed gives the same history and the same weights, bit for bit."""
    history, again = (run.output / "history.csv" for run in (runs.scratch2, runs.scratch2_again))
    assert history.read_bytes() == again.read_bytes()
    assert_same_state(state_of(runs.scratch2_again), state_of(runs.scratch2))


def test_training_changes_every_parameter(runs):
    """Without a frozen encoder, training changes all parameters that it starts from."""
    parameters = {name for name, _ in SegFormer(CLASSES).named_parameters()}
    assert parameters <= changed_keys(state_of(runs.scratch0), state_of(runs.scratch2))
    assert parameters <= changed_keys(state_of(runs.tuned0), state_of(runs.tuned1))


def test_pretrained_encoder_is_loaded(runs):
    """`--pretrained` takes over the encoder bit for bit and leaves the decoder as the seed initialises it."""
    tuned, city, scratch = state_of(runs.tuned0), state_of(runs.city), state_of(runs.scratch0)
    assert_same_state(part(tuned, "encoder."), part(city, "encoder."))
    assert_same_state(part(tuned, "decoder."), part(scratch, "decoder."))
    assert len(part(city, "encoder.")) + len(part(city, "decoder.")) == len(city)


def test_frozen_encoder_stays(runs):
    """`--freeze-encoder` keeps the encoder bit for bit, while every parameter of the decoder is trained."""
    changed = changed_keys(state_of(runs.tuned0), state_of(runs.frozen1))
    decoder = {f"decoder.{name}" for name, _ in SegFormer(CLASSES).decoder.named_parameters()}
    assert decoder <= changed
    assert not any(key.startswith("encoder.") for key in changed)


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("no_pets", 1, ("no Oxford-IIIT Pet data set", "nowhere/oxford-iiit-pet/images", "download=True")),
        ("no_city", 1, ("no Cityscapes data set", "nowhere/leftImg8bit/train")),
        ("no_cuda", 1, ("--device cuda", "--device cpu")),
        ("no_epochs", 2, ("--epochs", "-1 is below 0")),
        ("viz_many", 2, ("--num 9", "2 images")),
        ("bad_absent", 1, ("absent.pth", "No such file")),
        ("bad_garbage", 1, ("garbage.pth", "no weights file")),
        ("bad_model", 1, ("model.pth", "no state dict")),
        ("bad_short", 1, ("short.pth", "Missing", "block2.1.attn.sr.weight")),
        ("bad_decoder", 1, ("decoder.pth", "Missing", "patch_embed1.proj.weight")),
        ("bad_shape", 1, ("shape.pth", "size mismatch", "norm1.bias")),
    ],
)
def test_errors_are_told(runs, name, code, said):
    """A script that cannot do what it is asked for says why, without a traceback, and writes nothing."""
    run = getattr(runs, name)
    assert run.code == code
    assert [words for words in said if words not in run.err] == []
    assert "Traceback" not in run.err
    assert not run.output.exists()


@pytest.mark.parametrize(("name", "columns"), [("viz", 2), ("viz_segformer", 3), ("viz_fcn", 3)])
def test_pictures_are_drawn(runs, name, columns):
    """`viz_pets.py` draws a PNG of image and mask and, with weights of either network, of the prediction."""
    picture = getattr(runs, name).output.read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert int.from_bytes(picture[16:20], "big") == columns * 2 * 150  # two inches a column, 150 dots an inch


def test_frozen_random_encoder_is_warned_of(runs):
    """`--freeze-encoder` without `--pretrained` runs, and warns that it freezes random weights."""
    assert runs.frozen_random.code == 0
    assert "random weights" in runs.frozen_random.err
