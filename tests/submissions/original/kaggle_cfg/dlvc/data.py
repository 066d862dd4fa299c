import torch
import torchvision.transforms.v2 as T
from torch.utils.data import Dataset
from torchvision import tv_tensors

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def get_transforms(size, train):
    # the v2 transforms know that a Mask is resized with nearest and is neither scaled nor normalized
    tfms = [T.Resize((size, size), antialias=True)]
    if train:
        tfms.append(T.RandomHorizontalFlip(p=0.5))
    tfms += [T.ToDtype(torch.float32, scale=True), T.Normalize(MEAN, STD), T.ToPureTensor()]
    return T.Compose(tfms)


class SegDataset(Dataset):
    '''Wraps the given data sets so that image and mask get the same augmentation.'''

    def __init__(self, base, transforms, indices=None, offset=0):
        self.base = base
        self.transforms = transforms
        self.indices = list(range(len(base))) if indices is None else list(indices)
        self.offset = offset
        self.classes_seg = base.classes_seg

    def __len__(self):
        return len(self.indices)

    def __getitem__(self, i):
        img, mask = self.base[self.indices[i]]
        img, mask = self.transforms(tv_tensors.Image(img), tv_tensors.Mask(mask))
        mask = mask.squeeze(0).long() - self.offset
        return img, mask


def split_indices(n, valid_fraction, seed):
    g = torch.Generator().manual_seed(seed)
    perm = torch.randperm(n, generator=g).tolist()
    n_valid = max(1, int(n * valid_fraction))
    return perm[n_valid:], perm[:n_valid]
