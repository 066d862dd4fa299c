from collections import namedtuple
from typing import Any, Callable, Optional, Sequence, Union

from torchvision import datasets


class OxfordPetsCustom(datasets.OxfordIIITPet):
    '''
    Oxford-IIIT Pets with the three segmentation classes. On disk the labels are 1, 2, 3.
    '''

    OxfordPetsClass = namedtuple("OxfordPetsClass", ["name", "id", "color"])

    def __init__(self,
                 root: str,
                 split: str = "trainval",
                 target_types: Union[Sequence[str], str] = "segmentation",
                 transform: Optional[Callable] = None,
                 target_transform: Optional[Callable] = None,
                 download: bool = False):
        super().__init__(root=root,
                         split=split,
                         target_types=target_types,
                         transform=transform,
                         target_transform=target_transform,
                         download=download)
        self.classes_seg = [
            self.OxfordPetsClass("pet", 0, (128, 0, 0)),
            self.OxfordPetsClass("background", 1, (0, 128, 0)),
            self.OxfordPetsClass("boundary", 2, (0, 0, 128)),
        ]
