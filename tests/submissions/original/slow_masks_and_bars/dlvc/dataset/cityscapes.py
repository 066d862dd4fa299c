from typing import Callable, Optional

from torchvision.datasets import Cityscapes


class CityscapesCustom(Cityscapes):

    # the 19 classes of the benchmark; everything else is 255 in the label files
    classes_seg = [c for c in Cityscapes.classes if c.train_id not in (-1, 255)]

    def __init__(self, root: str, split: str = "train", mode: str = "fine", target_type="semantic",
                 transform: Optional[Callable] = None, target_transform: Optional[Callable] = None):
        super().__init__(root=root, split=split, mode=mode, target_type=target_type, transform=transform,
                         target_transform=target_transform)

    def _get_target_suffix(self, mode: str, target_type: str) -> str:
        if target_type == "semantic":
            return f"{mode}_labelTrainIds.png"
        return super()._get_target_suffix(mode, target_type)
