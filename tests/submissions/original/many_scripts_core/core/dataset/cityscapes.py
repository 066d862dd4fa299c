from collections import namedtuple
from typing import Any, Callable, Optional, Tuple

from PIL import Image
from torchvision import datasets


class CityscapesCustom(datasets.Cityscapes):
    '''
    Cityscapes with its 19 training classes; 255 is every pixel which is left out.
    '''

    CityscapesCustomClass = namedtuple("CityscapesCustomClass", ["name", "id", "color"])

    def __init__(self,
                 root: str,
                 split: str = "train",
                 mode: str = "fine",
                 target_type: str = "semantic",
                 transform: Optional[Callable] = None,
                 target_transform: Optional[Callable] = None):
        super().__init__(root=root,
                         split=split,
                         mode=mode,
                         target_type=target_type,
                         transform=transform,
                         target_transform=target_transform)
        Cls = self.CityscapesCustomClass
        self.classes_seg = [
            Cls("road", 0, (128, 64, 128)),
            Cls("sidewalk", 1, (244, 35, 232)),
            Cls("building", 2, (70, 70, 70)),
            Cls("wall", 3, (102, 102, 156)),
            Cls("fence", 4, (190, 153, 153)),
            Cls("pole", 5, (153, 153, 153)),
            Cls("traffic light", 6, (250, 170, 30)),
            Cls("traffic sign", 7, (220, 220, 0)),
            Cls("vegetation", 8, (107, 142, 35)),
            Cls("terrain", 9, (152, 251, 152)),
            Cls("sky", 10, (70, 130, 180)),
            Cls("person", 11, (220, 20, 60)),
            Cls("rider", 12, (255, 0, 0)),
            Cls("car", 13, (0, 0, 142)),
            Cls("truck", 14, (0, 0, 70)),
            Cls("bus", 15, (0, 60, 100)),
            Cls("train", 16, (0, 80, 100)),
            Cls("motorcycle", 17, (0, 0, 230)),
            Cls("bicycle", 18, (119, 11, 32)),
        ]

    def __getitem__(self, index: int) -> Tuple[Any, Any]:
        image = Image.open(self.images[index]).convert("RGB")
        target = Image.open(self.targets[index][0])
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target

    def _get_target_suffix(self, mode: str, target_type: str) -> str:
        return f"{mode if mode.startswith('gt') else 'gtFine'}_labelTrainIds.png"
