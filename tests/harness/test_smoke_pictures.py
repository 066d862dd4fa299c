"""The pictures of smoke trainings, and the arithmetic on what is predicted for them."""

import base64
import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from torchmetrics.classification import MulticlassJaccardIndex

from grader.checking.script_data import PET_ROOT
from grader.lookalikes import Counts, make_lookalikes
from grader.smoke.pictures import CLASSES, Labelled, draw_unseen, training_files, validation
from grader.smoke.unseen import best_constant, best_renaming, class_iou, confusion, miou, samples
from reference.dlvc.cli import open_data

FEW = (6, 3)
maps = arrays(np.uint8, (2, 5, 4), elements=st.integers(0, 2))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """The files of a training on the disk."""
    folder = tmp_path_factory.mktemp("smoke")
    for name, content in training_files(*FEW).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.tobytes())
    return folder / PET_ROOT


def test_files_are_those_of_the_data_command(root, tmp_path):
    """A submission trains on what `python -m grader data` draws, byte for byte."""
    make_lookalikes(tmp_path, "smoke", counts=Counts(*FEW, 0, 0), workers=1)
    files = {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert len(files) == 2 * sum(FEW) + 2
    assert all((tmp_path / name).read_bytes() == content for name, content in files.items())


def test_validation_is_what_the_network_of_a_script_gets(root):
    """Images and classes are those that the solution's data set and transforms give, pixel for pixel."""
    known = validation(*FEW)
    _, val_data = open_data("oxford", root, 64)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    for (image, mask), ours, classes in zip(val_data, *known, strict=True):
        assert np.array_equal((image * std + mean).mul(255).round().permute(1, 2, 0).numpy(), ours)
        assert np.array_equal(mask[0].numpy() - 1, classes)


def test_unseen_pictures_are_of_their_seed():
    """The same seed gives the same pictures, another one others, and none of them is trained or validated on."""
    one, again, other = (draw_unseen(np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one.images, again.images)
    assert not np.array_equal(one.images, other.images)
    assert set(np.unique(one.classes)) == {0, 1, 2}
    known = {image.tobytes() for image in validation(*FEW).images}
    assert known.isdisjoint(image.tobytes() for image in one.images)


@given(maps, maps)
def test_miou_is_that_of_torchmetrics(truth, predicted):
    """Classes without any pixel count as 0, as in the handout; the others are those of an independent library."""
    ours = confusion(truth, predicted)
    oracle = MulticlassJaccardIndex(len(CLASSES), average=None)
    expected = oracle(torch.from_numpy(predicted).long(), torch.from_numpy(truth).long()).numpy()
    assert class_iou(ours) == pytest.approx(expected, abs=1e-6)
    assert miou(ours) == pytest.approx(expected.mean(), abs=1e-6)


@given(maps)
def test_best_constant_is_the_best_of_all(truth):
    """One class for every pixel never does better than it says."""
    every = [miou(confusion(truth, np.full_like(truth, one))) for one in range(len(CLASSES))]
    assert best_constant(confusion(truth, truth)) == pytest.approx(max(every))


def test_renaming_is_found():
    """Classes that are predicted by other numbers are recognised, and which stands for which is told."""
    truth = np.random.default_rng(1).integers(0, 3, (2, 8, 8)).astype(np.uint8)
    found, order = best_renaming(confusion(truth, (truth + 1) % 3))
    assert found == 1
    assert order == (1, 2, 0)


def test_samples_go_from_worst_to_best():
    """Samples hold the pictures and the predictions themselves, in the order of their mIoU."""
    rng = np.random.default_rng(1)
    pictures = Labelled(*(drawn[:7] for drawn in draw_unseen(rng)))
    predicted = pictures.classes.copy()
    for number, guess in enumerate(predicted):
        guess[:, : 8 * number] = 0
    shown = samples(pictures, predicted)
    assert [sample.miou for sample in shown] == sorted(sample.miou for sample in shown)
    assert shown[-1].miou == 1
    best = np.asarray(Image.open(io.BytesIO(base64.b64decode(shown[-1].predicted))))
    assert np.array_equal(best, pictures.classes[0])
    assert shown[-1].truth == shown[-1].predicted
    assert shown[0].truth != shown[0].predicted
