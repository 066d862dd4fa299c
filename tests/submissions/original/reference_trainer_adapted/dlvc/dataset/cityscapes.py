from typing import Any, Callable, Optional, Tuple

from PIL import Image
from torchvision.datasets import Cityscapes


class CityscapesCustom(Cityscapes):
    '''
    Street scenes. Of the 30 classes only the 19 with a train id are used, all others are labelled 255.
    '''

    classes_seg = tuple(c for c in Cityscapes.classes if c.train_id not in (-1, 255))

    def __init__(self,
                 root: str,
                 split: str = "train",
                 mode: str = "fine",
                 target_type: str = "semantic",
                 transform: Optional[Callable] = None,
                 target_transform: Optional[Callable] = None):
        super().__init__(root=root, split=split, mode=mode, target_type=target_type, transform=transform,
                         target_transform=target_transform)

    def _get_target_suffix(self, mode: str, target_type: str) -> str:
        if target_type == "semantic":
            return f"{mode}_labelTrainIds.png"
        return super()._get_target_suffix(mode, target_type)

    def __getitem__(self, index: int) -> Tuple[Any, Any]:
        image = Image.open(self.images[index]).convert("RGB")
        target = Image.open(self.targets[index][0])

        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target
