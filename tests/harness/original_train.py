"""A training script as solutions of the original handout have it: paths in the code, and two arguments of its own."""

import argparse
import os
from pathlib import Path

import torch
from torchvision.models.segmentation import fcn_resnet50
from torchvision.transforms import v2

from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.metrics import SegMetrics
from dlvc.models.segment_model import DeepSegmenter
from dlvc.trainer import ImgSemSegTrainer


def train(args):
    """Train as the original handout asks for."""
    picture = v2.Compose(
        [
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST),
            v2.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
        ]
    )
    mask = v2.Compose(
        [
            v2.ToImage(),
            v2.ToDtype(torch.long, scale=False),
            v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST),
        ]
    )
    data = [
        OxfordPetsCustom("/somewhere/else", split, "segmentation", picture, mask, download=True)
        for split in ("trainval", "test")
    ]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = DeepSegmenter(fcn_resnet50(weights=None, weights_backbone=None, num_classes=3)).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.001, amsgrad=True)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.98)
    names = OxfordPetsCustom.classes_seg
    folder = Path("saved_models")
    folder.mkdir(exist_ok=True)
    trainer = ImgSemSegTrainer(
        model,
        optimizer,
        torch.nn.CrossEntropyLoss(),
        scheduler,
        SegMetrics(names),
        SegMetrics(names),
        *data,
        device,
        args.num_epochs,
        folder,
        batch_size=64,
        val_frequency=2,
    )
    trainer.train()
    trainer.dispose()


if __name__ == "__main__":
    args = argparse.ArgumentParser(description="Training")
    args.add_argument("-d", "--gpu_id", default="0", type=str)
    args.add_argument("-n", "--num_epochs", default=30, type=int)
    args = args.parse_args()
    os.environ["CUDA_VISIBLE_DEVICES"] = str(args.gpu_id)
    train(args)
