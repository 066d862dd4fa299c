"""The Cityscapes data set with its 19 training classes (handout, Part 1)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from torchvision.datasets import VisionDataset

IMAGE_SUFFIX = "_leftImg8bit.png"


class CityscapesCustom(VisionDataset):
    """Street scenes with a mask of train ids each.

    Source: https://www.cityscapes-dataset.com/ (Cordts et al., arXiv 1604.01685). Files are read in sorted
    order, unlike `torchvision.datasets.Cityscapes`, whose order is the file system's: with a fixed seed,
    training is then the same on every machine.

    An item is an RGB image and its mask, both PIL images until a transform changes them. The masks hold the
    train ids 0 to 18 in the order of `classes_seg`, and 255 where a pixel is to be ignored, by the loss and
    by the metric alike.

    Args:
        root: the folder that holds `leftImg8bit/` and `gtFine/`.
        split: `train`, `val` or `test`.
        mode: `fine`; the coarse annotations are not used.
        target_type: `semantic`; the other types are not used.
        transform: applied to the image.
        target_transform: applied to the mask.

    Raises:
        FileNotFoundError: `root` does not hold the split, or an image has no mask; the message says what is
            expected.
        ValueError: an unknown split, mode or target type.
    """

    classes_seg = (
        "road",
        "sidewalk",
        "building",
        "wall",
        "fence",
        "pole",
        "traffic light",
        "traffic sign",
        "vegetation",
        "terrain",
        "sky",
        "person",
        "rider",
        "car",
        "truck",
        "bus",
        "train",
        "motorcycle",
        "bicycle",
    )
    num_classes = len(classes_seg)

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        mode: str = "fine",
        target_type: str = "semantic",
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
    ) -> None:
        for name, value, known in (
            ("split", split, ("train", "val", "test")),
            ("mode", mode, ("fine",)),
            ("target_type", target_type, ("semantic",)),
        ):
            if value not in known:
                raise ValueError(f"{name} is {value!r}; it can be {' or '.join(map(repr, known))}")
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = split
        self.images, self.targets = _paired_files(Path(root), split)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image: Any = Image.open(self.images[index]).convert("RGB")
        with Image.open(self.targets[index]) as file:
            target: Any = file.copy()
        if self.transforms is not None:
            image, target = self.transforms(image, target)
        return image, target


def _paired_files(root: Path, split: str) -> tuple[list[Path], list[Path]]:
    """Return the sorted images of a split and, in the same order, their masks."""
    image_folder, target_folder = root / "leftImg8bit" / split, root / "gtFine" / split
    images = sorted(image_folder.glob(f"*/*{IMAGE_SUFFIX}"))
    if not images:
        raise FileNotFoundError(
            f"no Cityscapes data set in '{root}': no image matches '{image_folder}/<city>/*{IMAGE_SUFFIX}'.\n"
            f"Expected on disk: {root}/leftImg8bit/{split}/<city>/*{IMAGE_SUFFIX} and "
            f"{root}/gtFine/{split}/<city>/*_gtFine_labelTrainIds.png.\n"
            f"Name the folder that holds leftImg8bit/ and gtFine/; the handout's Part 1 tells where they are."
        )
    targets = [
        target_folder / image.parent.name / image.name.replace(IMAGE_SUFFIX, "_gtFine_labelTrainIds.png")
        for image in images
    ]
    missing = [target for target in targets if not target.exists()]
    if missing:
        raise FileNotFoundError(
            f"{len(missing)} of {len(images)} Cityscapes images in '{image_folder}' have no train ids; "
            f"the first that is missing is '{missing[0]}'.\n"
            f"The original download holds *_labelIds.png only: csCreateTrainIdLabelImgs of the package "
            f"cityscapesscripts makes the train ids out of it."
        )
    return images, targets
