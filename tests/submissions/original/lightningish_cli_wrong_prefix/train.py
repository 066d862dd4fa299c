"""
FCN-ResNet50 on the pets.

    python train.py --init scratch
    python train.py --init imagenet
"""
from argparse import ArgumentParser
from pathlib import Path

import torch
from torchvision.models.segmentation import fcn_resnet50

from datamodules import HALF, PetsModule
from dlvc.metrics import SegMetrics
from dlvc.models.segment_model import DeepSegmenter
from dlvc.trainer import ImgSemSegTrainer

if __name__ == "__main__":
    parser = ArgumentParser()
    parser.add_argument("--init", choices=["scratch", "imagenet"], default="scratch")
    parser.add_argument("--data-dir", default="/home/lena/data/pets")
    parser.add_argument("--out", default="runs", type=Path)
    parser.add_argument("--epochs", default=31, type=int)
    parser.add_argument("--batch-size", default=64, type=int)
    parser.add_argument("--lr", default=1e-3, type=float)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    hparams = parser.parse_args()

    data = PetsModule(hparams.data_dir, stats=HALF, val_fraction=0.2)
    net = fcn_resnet50(weights=None,
                       weights_backbone="IMAGENET1K_V1" if hparams.init == "imagenet" else None,
                       num_classes=data.num_classes)
    model = DeepSegmenter(net).to(hparams.device)

    optimizer = torch.optim.AdamW(model.parameters(), lr=hparams.lr, amsgrad=True)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.98)

    run_dir = hparams.out / f"fcn_{hparams.init}"
    run_dir.mkdir(parents=True, exist_ok=True)

    trainer = ImgSemSegTrainer(model, optimizer, torch.nn.CrossEntropyLoss(), scheduler,
                               SegMetrics(data.classes), SegMetrics(data.classes), data.train, data.val,
                               hparams.device, hparams.epochs, run_dir,
                               batch_size=hparams.batch_size, val_frequency=2)
    trainer.train()
    trainer.test(data.test)
