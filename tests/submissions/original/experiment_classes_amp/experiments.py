"""
Each experiment of the assignment is a class. Settings come from environment variables:

    PETS_ROOT, CITY_ROOT   folders of the data sets
    EPOCHS, LR             instead of the defaults below
"""
import os
from functools import cached_property
from pathlib import Path

import torch
import torchvision.transforms.v2 as v2
from torchvision.models import ResNet50_Weights, resnet50
from torchvision.models.segmentation import fcn_resnet50

from dlvc.dataset.cityscapes import CityscapesCustom
from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.metrics import SegMetrics
from dlvc.models.segformer import SegFormer
from dlvc.models.segment_model import DeepSegmenter
from dlvc.trainer import ImgSemSegTrainer

PETS_ROOT = os.environ.get("PETS_ROOT", "/Users/sofia/Documents/TU/dlvc/data/pets")
CITY_ROOT = os.environ.get("CITY_ROOT", "/Users/sofia/Documents/TU/dlvc/data/cityscapes_assg2")
SAVE_ROOT = Path("saved_models")


class Experiment:
    epochs = 31
    batch_size = 64
    lr = 1e-3
    val_frequency = 2

    def __init__(self):
        self.epochs = int(os.environ.get("EPOCHS", self.epochs))
        self.lr = float(os.environ.get("LR", self.lr))
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    # --- to be overridden -------------------------------------------------------------------------

    def make_net(self):
        raise NotImplementedError

    def parameter_groups(self, net):
        return net.parameters()

    def loss(self):
        return torch.nn.CrossEntropyLoss()

    def dataset(self, split):
        return OxfordPetsCustom(root=PETS_ROOT, split={"train": "trainval", "val": "test"}[split],
                                target_types="segmentation", transform=self.image_transform,
                                target_transform=self.mask_transform, download=True)

    # --- the same everywhere ----------------------------------------------------------------------

    @property
    def name(self):
        return type(self).__name__

    @property
    def save_dir(self):
        return SAVE_ROOT / self.name

    @cached_property
    def image_transform(self):
        return v2.Compose([v2.ToImage(),
                           v2.ToDtype(torch.float32, scale=True),
                           v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST),
                           v2.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])])

    @cached_property
    def mask_transform(self):
        return v2.Compose([v2.ToImage(),
                           v2.ToDtype(torch.long, scale=False),
                           v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST)])

    def run(self):
        train_data, val_data = self.dataset("train"), self.dataset("val")
        net = self.make_net()
        model = DeepSegmenter(net).to(self.device)
        optimizer = torch.optim.AdamW(self.parameter_groups(net), lr=self.lr, amsgrad=True)
        scheduler = torch.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=self.epochs, power=0.9)

        self.save_dir.mkdir(parents=True, exist_ok=True)
        trainer = ImgSemSegTrainer(model, optimizer, self.loss(), scheduler,
                                   SegMetrics(train_data.classes_seg), SegMetrics(val_data.classes_seg),
                                   train_data, val_data, self.device, self.epochs, self.save_dir,
                                   batch_size=self.batch_size, val_frequency=self.val_frequency,
                                   run_name=self.name)
        trainer.train()
        trainer.dispose()


# Part 4

class FcnScratch(Experiment):
    def make_net(self):
        return fcn_resnet50(weights=None, weights_backbone=None, num_classes=3)


class FcnImageNet(FcnScratch):
    '''
    The same network, but its backbone starts with the weights of the classifier.
    '''

    def make_net(self):
        net = super().make_net()
        classifier = resnet50(weights=ResNet50_Weights.IMAGENET1K_V1)
        keys = net.backbone.load_state_dict(classifier.state_dict(), strict=False)
        # the backbone has no fc layer, everything else must fit
        assert not keys.missing_keys and set(keys.unexpected_keys) == {"fc.weight", "fc.bias"}
        return net


# Part 5

class SegFormerScratch(Experiment):
    def make_net(self):
        return SegFormer(num_classes=3)


# Part 6

class CityPretraining(Experiment):
    epochs = 40
    batch_size = 16

    def dataset(self, split):
        return CityscapesCustom(root=CITY_ROOT, split=split, mode="fine", target_type="semantic",
                                transform=self.image_transform, target_transform=self.mask_transform)

    def make_net(self):
        return SegFormer(num_classes=19)

    def loss(self):
        return torch.nn.CrossEntropyLoss(ignore_index=255)


class FinetuneAll(SegFormerScratch):
    '''
    Option a. The encoder learns with half of the decoder's learning rate.
    '''
    checkpoint = SAVE_ROOT / "CityPretraining" / "SegFormer_model_last.pth"

    def make_net(self):
        net = super().make_net()
        saved = torch.load(self.checkpoint, map_location="cpu")
        merged = {**net.state_dict(), **{k: v for k, v in saved.items() if k.split(".")[0] == "encoder"}}
        net.load_state_dict(merged)
        return net

    def parameter_groups(self, net):
        return [{"params": net.decoder.parameters()},
                {"params": net.encoder.parameters(), "lr": self.lr / 2}]


class FinetuneDecoder(FinetuneAll):
    '''
    Option b.
    '''

    def make_net(self):
        net = super().make_net()
        net.encoder.requires_grad_(False)
        return net

    def parameter_groups(self, net):
        return net.decoder.parameters()
