from typing import Any, Callable, NamedTuple, Optional, Sequence, Tuple, Union
from pathlib import Path

from torchvision.datasets import OxfordIIITPet


class OxfordPetsCustom(OxfordIIITPet):

    class OxfordPetsClass(NamedTuple):
        name: str
        id: int
        color: Tuple[int, int, int]

    classes_seg = [
        OxfordPetsClass("pet", 1, (128, 0, 0)),
        OxfordPetsClass("background", 2, (0, 128, 0)),
        OxfordPetsClass("boundary", 3, (0, 0, 128)),
    ]

    def __init__(self, root: Union[str, Path], split: str = "trainval",
                 target_types: Union[Sequence[str], str] = "segmentation",
                 transform: Optional[Callable] = None, target_transform: Optional[Callable] = None,
                 download: bool = False):
        super().__init__(root=root, split=split, target_types=target_types, transform=transform,
                         target_transform=target_transform, download=download)

    def __getitem__(self, idx: int) -> Tuple[Any, Any]:
        return super().__getitem__(idx)
