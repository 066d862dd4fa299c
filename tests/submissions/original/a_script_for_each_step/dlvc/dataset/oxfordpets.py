from collections import namedtuple
from typing import Any, Callable, Optional, Tuple

from PIL import Image
from torchvision.datasets import OxfordIIITPet

OxfordPetsClass = namedtuple("OxfordPetsClass", ["name", "id", "color"])


class OxfordPetsCustom(OxfordIIITPet):
    '''
    The pets with their segmentation masks. Labels in the files: 1 pet, 2 background, 3 boundary.
    '''

    classes_seg = (
        OxfordPetsClass("pet", 1, (0, 0, 128)),
        OxfordPetsClass("background", 2, (0, 128, 0)),
        OxfordPetsClass("boundary", 3, (128, 128, 0)),
    )

    def __init__(self,
                 root: str,
                 split: str = "trainval",
                 target_types: str = "segmentation",
                 transform: Optional[Callable] = None,
                 target_transform: Optional[Callable] = None,
                 download: bool = False):
        super().__init__(root=root, split=split, target_types=target_types, transform=transform,
                         target_transform=target_transform, download=download)

    def __getitem__(self, idx: int) -> Tuple[Any, Any]:
        image = Image.open(self._images[idx]).convert("RGB")
        target = Image.open(self._segs[idx])

        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target
