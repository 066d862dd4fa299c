import os
from pathlib import Path

import torch
import torchvision.transforms.v2 as v2

from dlvc.dataset.cityscapes import CityscapesCustom
from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.metrics import SegMetrics
from dlvc.trainer import ImgSemSegTrainer


def device_for(gpu_id):
    os.environ["CUDA_VISIBLE_DEVICES"] = gpu_id
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _transforms():
    size = (64, 64)
    image = v2.Compose([v2.ToImage(),
                        v2.ToDtype(torch.float32, scale=True),
                        v2.Resize(size=size, interpolation=v2.InterpolationMode.BILINEAR, antialias=True),
                        v2.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])])
    mask = v2.Compose([v2.ToImage(),
                       v2.Resize(size=size, interpolation=v2.InterpolationMode.NEAREST_EXACT),
                       v2.ToDtype(torch.int64, scale=False)])
    return {"transform": image, "target_transform": mask}


def pets(root):
    return [OxfordPetsCustom(root=root, split=s, target_types="segmentation", download=True, **_transforms())
            for s in ("trainval", "test")]


def streets(root):
    return [CityscapesCustom(root=root, split=s, mode="fine", target_type="semantic", **_transforms())
            for s in ("train", "val")]


def fit(model, parameters, data, device, name, *, first_label, epochs, batch_size, lr, out, workers, wandb):
    train_data, val_data = data
    save_dir = Path(out) / name
    save_dir.mkdir(parents=True, exist_ok=True)

    optimizer = torch.optim.AdamW(parameters, lr=lr, amsgrad=True)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=10, gamma=0.5)
    trainer = ImgSemSegTrainer(model, optimizer, torch.nn.CrossEntropyLoss(ignore_index=255), scheduler,
                               SegMetrics(train_data.classes_seg), SegMetrics(val_data.classes_seg),
                               train_data, val_data, device, epochs, save_dir, batch_size=batch_size,
                               val_frequency=2, num_workers=workers, first_label=first_label, use_wandb=wandb)
    trainer.train()
    trainer.dispose()
