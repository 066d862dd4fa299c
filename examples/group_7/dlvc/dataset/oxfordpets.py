"""The Oxford-IIIT Pet data set with its segmentation masks (handout, Part 1)."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torchvision.datasets import OxfordIIITPet


class OxfordPetsCustom(OxfordIIITPet):
    """Photographs of cats and dogs with a trimap each: `torchvision`'s data set with names for its classes.

    Source: https://www.robots.ox.ac.uk/~vgg/data/pets/ (Parkhi et al., "Cats and Dogs", CVPR 2012).

    An item is an RGB image and, for the target type `segmentation`, its mask, both PIL images until a
    transform changes them. The masks hold the labels 1, 2, 3 in the order of `classes_seg`, as they are on
    disk; PyTorch's losses count from 0, so training subtracts 1 (Part 3).

    Args:
        root: the folder that holds `oxford-iiit-pet/`.
        split: `trainval` to train on, `test` to validate on.
        target_types: what comes with an image; `torchvision` documents the others.
        transform: applied to the image.
        target_transform: applied to the target.
        download: fetch the data set into `root` first, unless it is there.

    Raises:
        FileNotFoundError: `root` does not hold the data set; the message says what is expected.
        ValueError: an unknown split or target type.
    """

    classes_seg = ("pet", "background", "border")
    num_classes = len(classes_seg)

    def __init__(
        self,
        root: str | Path,
        split: str = "trainval",
        target_types: str | Sequence[str] = "segmentation",
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,  # noqa: FBT001, FBT002 - torchvision's own signature
    ) -> None:
        if not download and split in ("trainval", "test"):
            _require_files(Path(root), split)
        super().__init__(
            root,
            split=split,
            target_types=target_types,
            transform=transform,
            target_transform=target_transform,
            download=download,
        )


def _require_files(root: Path, split: str) -> None:
    """Raise FileNotFoundError, saying what to do, unless the data set's folders and list are under `root`."""
    base = root / "oxford-iiit-pet"
    expected = (base / "images", base / "annotations" / "trimaps", base / "annotations" / f"{split}.txt")
    missing = [path for path in expected if not path.exists()]
    if missing:
        raise FileNotFoundError(
            f"no Oxford-IIIT Pet data set in '{root}': '{missing[0]}' does not exist.\n"
            f"Expected on disk: {root}/oxford-iiit-pet/ with images/*.jpg, annotations/trimaps/*.png, "
            f"annotations/trainval.txt and annotations/test.txt.\n"
            f"Name the folder that holds oxford-iiit-pet/, or fetch the data set (about 800 MB) with\n"
            f'    python -c "import torchvision.datasets as d; d.OxfordIIITPet({str(root)!r}, download=True)"'
        )
