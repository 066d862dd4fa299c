import os
os.chdir(os.getcwd() + "/assignments/assignment_2/")

import torch
import torchvision.transforms.v2 as v2
import matplotlib.pyplot as plt
from torchvision.utils import make_grid

from core.dataset.oxfordpets import OxfordPetsCustom


def imshow(img, filename):
    plt.imshow(img.permute(1, 2, 0).numpy())
    plt.axis("off")
    plt.savefig(filename)


if __name__ == '__main__':
    tf = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Resize((64, 64))])
    tf_mask = v2.Compose([v2.ToImage(), v2.ToDtype(torch.long, scale=False),
                          v2.Resize((64, 64), interpolation=v2.InterpolationMode.NEAREST)])
    data = OxfordPetsCustom("path_to_dataset", "test", "segmentation", tf, tf_mask, True)
    images, masks = zip(*[data[i] for i in range(4)])
    imshow(make_grid(list(images)), "input.png")
    imshow(make_grid([(m - 1) / 2 for m in masks]), "mask.png")
