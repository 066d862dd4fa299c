# Part 4: FCN on the pets, ran as a Kaggle notebook with a P100
from pathlib import Path

import torch
import torch.nn as nn
from torch.utils.data import DataLoader
from torchvision.models.segmentation import FCN_ResNet50_Weights, fcn_resnet50

from dlvc.data import SegDataset, get_transforms, split_indices
from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.engine import run_training, seed_everything
from dlvc.metrics import SegMetrics


class CFG:
    seed = 42
    pretrained = False          # True for the second experiment
    root = "/kaggle/input/oxford-iiit-pet"
    out = Path("/kaggle/working")
    img_size = 64
    num_classes = 3
    epochs = 30
    batch_size = 64
    valid_every = 2
    valid_fraction = 0.2
    num_workers = 2
    lr = 1e-3
    weight_decay = 1e-2
    max_norm = 1.0
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    amp = torch.cuda.is_available()


def build_model(cfg):
    if cfg.pretrained:
        model = fcn_resnet50(weights=FCN_ResNet50_Weights.DEFAULT)
        model.classifier[4] = nn.Conv2d(512, cfg.num_classes, kernel_size=1)
        model.aux_classifier = None
    else:
        model = fcn_resnet50(weights=None, weights_backbone=None, num_classes=cfg.num_classes)
    return model.to(cfg.device)


def main():
    cfg = CFG
    seed_everything(cfg.seed)
    cfg.out.mkdir(parents=True, exist_ok=True)

    base = OxfordPetsCustom(root=cfg.root, split="trainval", target_types="segmentation", download=True)
    train_idx, valid_idx = split_indices(len(base), cfg.valid_fraction, cfg.seed)
    train_ds = SegDataset(base, get_transforms(cfg.img_size, train=True), train_idx, offset=1)
    valid_ds = SegDataset(base, get_transforms(cfg.img_size, train=False), valid_idx, offset=1)
    print(f"train {len(train_ds)}, valid {len(valid_ds)}")

    train_loader = DataLoader(train_ds, batch_size=cfg.batch_size, shuffle=True, num_workers=cfg.num_workers,
                              pin_memory=cfg.amp)
    valid_loader = DataLoader(valid_ds, batch_size=cfg.batch_size, shuffle=False, num_workers=cfg.num_workers,
                              pin_memory=cfg.amp)

    model = build_model(cfg)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=cfg.lr, weight_decay=cfg.weight_decay)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=cfg.lr, epochs=cfg.epochs,
                                                    steps_per_epoch=len(train_loader))

    name = "fcn_pretrained" if cfg.pretrained else "fcn_scratch"
    run_training(name, model, train_loader, valid_loader, criterion, optimizer, scheduler,
                 SegMetrics(train_ds.classes_seg), SegMetrics(valid_ds.classes_seg), cfg)


if __name__ == "__main__":
    main()
