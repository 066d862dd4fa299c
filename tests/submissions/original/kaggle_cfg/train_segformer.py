# Parts 5 and 6: SegFormer, ran as a Kaggle notebook with a P100
from pathlib import Path

import torch
import torch.nn as nn
from torch.utils.data import DataLoader

from dlvc.data import SegDataset, get_transforms, split_indices
from dlvc.dataset.cityscapes import CityscapesCustom
from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.engine import run_training, seed_everything
from dlvc.metrics import SegMetrics
from dlvc.models.segformer import SegFormer
from dlvc.models.segment_model import DeepSegmenter


class CFG:
    seed = 42
    # "scratch":  pets without pre-training (Part 5)
    # "pretrain": cityscapes
    # "finetune": pets with the weights of "pretrain"
    stage = "scratch"
    freeze = False              # only for "finetune": option b
    pets_root = "/kaggle/input/oxford-iiit-pet"
    city_root = "/kaggle/input/cityscapes-assg2/cityscapes_assg2"
    # output of the pretrain notebook, added as a data set
    ckpt = "/kaggle/input/dlvc-segformer-city/segformer_pretrain_last.pth"
    out = Path("/kaggle/working")
    img_size = 64
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


if CFG.stage == "pretrain":
    CFG.epochs = 40
    CFG.batch_size = 16
elif CFG.stage == "finetune":
    CFG.lr = 5e-4


def get_datasets(cfg):
    train_tf = get_transforms(cfg.img_size, train=True)
    valid_tf = get_transforms(cfg.img_size, train=False)
    if cfg.stage == "pretrain":
        train_base = CityscapesCustom(root=cfg.city_root, split="train", mode="fine", target_type="semantic")
        valid_base = CityscapesCustom(root=cfg.city_root, split="val", mode="fine", target_type="semantic")
        return SegDataset(train_base, train_tf), SegDataset(valid_base, valid_tf)

    base = OxfordPetsCustom(root=cfg.pets_root, split="trainval", target_types="segmentation", download=True)
    train_idx, valid_idx = split_indices(len(base), cfg.valid_fraction, cfg.seed)
    return SegDataset(base, train_tf, train_idx, offset=1), SegDataset(base, valid_tf, valid_idx, offset=1)


def load_pretrained(model, path):
    ckpt = torch.load(path, map_location="cpu")["model"]
    state = model.state_dict()
    # the number of classes is another one, take only what fits
    matched = {k: v for k, v in ckpt.items() if k in state and v.shape == state[k].shape}
    state.update(matched)
    model.load_state_dict(state)
    print(f"loaded {len(matched)} of {len(state)} tensors from {path}")


def main():
    cfg = CFG
    seed_everything(cfg.seed)
    cfg.out.mkdir(parents=True, exist_ok=True)

    train_ds, valid_ds = get_datasets(cfg)
    train_loader = DataLoader(train_ds, batch_size=cfg.batch_size, shuffle=True, num_workers=cfg.num_workers,
                              pin_memory=cfg.amp)
    valid_loader = DataLoader(valid_ds, batch_size=cfg.batch_size, shuffle=False, num_workers=cfg.num_workers,
                              pin_memory=cfg.amp)

    model = DeepSegmenter(SegFormer(num_classes=len(train_ds.classes_seg)))
    name = f"segformer_{cfg.stage}"
    if cfg.stage == "finetune":
        load_pretrained(model, cfg.ckpt)
        if cfg.freeze:
            name += "_frozen"
            for p in model.net.encoder.parameters():
                p.requires_grad = False
    model.to(cfg.device)

    criterion = nn.CrossEntropyLoss(ignore_index=255)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=cfg.lr,
                                  weight_decay=cfg.weight_decay)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=cfg.lr, epochs=cfg.epochs,
                                                    steps_per_epoch=len(train_loader))

    run_training(name, model, train_loader, valid_loader, criterion, optimizer, scheduler,
                 SegMetrics(train_ds.classes_seg), SegMetrics(valid_ds.classes_seg), cfg)


if __name__ == "__main__":
    main()
