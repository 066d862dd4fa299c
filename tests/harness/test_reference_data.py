"""The reference's data sets and the form in which the scripts read them (Part 1)."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from reference.dlvc.cli import IMAGENET_MEAN, IMAGENET_STD, image_transform, mask_transform, open_data
from reference.dlvc.dataset.cityscapes import CityscapesCustom
from reference.dlvc.dataset.oxfordpets import OxfordPetsCustom
from tests.harness.tiny_data import write_pets, write_streets


@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    """A root of three pets to train on and two to test on."""
    return write_pets(tmp_path_factory.mktemp("pets"))


@pytest.fixture(scope="module")
def streets(tmp_path_factory):
    """A root of three street scenes to train on and two to validate on."""
    return write_streets(tmp_path_factory.mktemp("streets"))


@pytest.mark.parametrize(("split", "count"), [("trainval", 3), ("test", 2)])
def test_pets_are_read_by_split(pets, split, count):
    """A split of the pets has the images that its list names, as RGB images with masks of the same size."""
    data = OxfordPetsCustom(pets, split)
    assert len(data) == count
    for image, mask in data:
        assert (image.mode, image.size) == ("RGB", (48, 40))
        assert np.asarray(mask).shape == (40, 48)


def test_pets_keep_their_labels(pets):
    """The masks of the pets hold 1, 2, 3, as they are on disk, and there is a class name for each."""
    data = OxfordPetsCustom(pets, "trainval")
    assert {int(label) for _, mask in data for label in np.unique(mask)} == {1, 2, 3}
    assert tuple(data.classes_seg) == ("pet", "background", "border")
    assert data.num_classes == 3


def test_pets_can_give_categories(pets):
    """The other target types of torchvision still work: the breed counts from 0."""
    assert [target for _, target in OxfordPetsCustom(pets, "trainval", target_types="category")] == [0, 1, 2]


@pytest.mark.parametrize("gone", ["images", "annotations/trimaps", "annotations/test.txt", ""])
def test_missing_pets_are_told(pets, tmp_path, gone):
    """Without a needed file, the error names it, the layout that is expected, and how to fetch the data."""
    root = tmp_path / "copy"
    shutil.copytree(pets, root)
    path = root / "oxford-iiit-pet" / gone
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    with pytest.raises(FileNotFoundError) as caught:
        OxfordPetsCustom(root, "test")
    message = str(caught.value)
    assert str(path) in message
    assert "annotations/trimaps/*.png" in message
    assert "download=True" in message


def test_unknown_pets_split_is_told(pets):
    """A split that the pets do not have is a ValueError, not a missing file."""
    with pytest.raises(ValueError, match="validation"):
        OxfordPetsCustom(pets, "validation")


@pytest.mark.parametrize(("split", "count"), [("train", 3), ("val", 2)])
def test_streets_are_paired(streets, split, count):
    """Each image of Cityscapes comes with its own mask of train ids, 255 included."""
    data = CityscapesCustom(streets, split)
    assert len(data) == count
    for image, mask in data:
        assert np.array_equal(np.asarray(image)[..., 0], np.asarray(mask))
    assert {int(label) for _, mask in data for label in np.unique(mask)} <= {*range(19), 255}


def test_streets_are_in_sorted_order(streets):
    """Cityscapes files are listed in sorted order, whatever the file system's order is."""
    images = CityscapesCustom(streets, "train").images
    assert images == sorted(images)
    assert [image.parent.name for image in images] == ["aachen", "zurich", "zurich"]


def test_streets_have_19_classes(streets):
    """The classes of Cityscapes are torchvision's, in the order of their train ids."""
    from torchvision.datasets import Cityscapes

    data = CityscapesCustom(streets, "val")
    by_train_id = sorted((c.train_id, c.name) for c in Cityscapes.classes if 0 <= c.train_id < 19)
    assert list(data.classes_seg) == [name for _, name in by_train_id]
    assert data.num_classes == 19


def test_missing_streets_are_told(tmp_path):
    """Without the images, the error names the folder that was searched and the layout that is expected."""
    with pytest.raises(FileNotFoundError) as caught:
        CityscapesCustom(tmp_path, "val")
    assert str(tmp_path / "leftImg8bit" / "val") in str(caught.value)
    assert "gtFine_labelTrainIds.png" in str(caught.value)


def test_missing_train_ids_are_told(tmp_path):
    """Where only the original label ids are there, the error names the tool that makes train ids of them."""
    write_streets(tmp_path)
    mask = next(tmp_path.glob("gtFine/train/zurich/*"))
    mask.rename(mask.with_name(mask.name.replace("TrainIds", "Ids")))
    with pytest.raises(FileNotFoundError, match=r"1 of 3 .*(.|\n)*csCreateTrainIdLabelImgs"):
        CityscapesCustom(tmp_path, "train")


@pytest.mark.parametrize("wrong", [{"split": "trainval"}, {"mode": "coarse"}, {"target_type": "instance"}])
def test_unknown_street_options_are_told(streets, wrong):
    """An option of Cityscapes that is not served is a ValueError that says what is."""
    with pytest.raises(ValueError, match=next(iter(wrong.values()))):
        CityscapesCustom(streets, **wrong)


@pytest.mark.parametrize(("name", "allowed"), [("oxford", {1, 2, 3}), ("city", {*range(19), 255})])
def test_scripts_read_tensors(pets, streets, name, allowed):
    """The scripts read float images (3, s, s) and integer masks (1, s, s) with the labels of the files."""
    for data in open_data(name, pets if name == "oxford" else streets, 24):
        for image, mask in data:
            assert (image.shape, image.dtype) == ((3, 24, 24), torch.float32)
            assert (mask.shape, mask.dtype) == ((1, 24, 24), torch.int64)
            assert set(mask.unique().tolist()) <= allowed


def test_missing_root_ends_the_script(tmp_path):
    """A missing data root ends a script with the data set's message, not with a traceback."""
    with pytest.raises(SystemExit, match="no Oxford-IIIT Pet data set"):
        open_data("oxford", tmp_path, 24)


def test_images_are_scaled_and_normalised():
    """An image becomes its bytes / 255, less ImageNet's mean, divided by ImageNet's standard deviation."""
    pixels = np.random.default_rng(2).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    expected = (pixels / 255 - IMAGENET_MEAN) / IMAGENET_STD
    found = image_transform(24)(Image.fromarray(pixels)).permute(1, 2, 0).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)  # float32 against float64


@pytest.mark.parametrize("size", [7, 24, 50])
def test_image_and_mask_stay_aligned(size):
    """Resizing, down or up, picks the same pixels of an image and of its mask."""
    mask = np.random.default_rng(3).integers(0, 256, (24, 31), dtype=np.uint8)
    image = image_transform(size)(Image.fromarray(np.stack([mask] * 3, axis=-1)))
    resized = mask_transform(size)(Image.fromarray(mask))
    red = (image[:1] * IMAGENET_STD[0] + IMAGENET_MEAN[0]) * 255
    assert torch.equal(red.round().long(), resized)
