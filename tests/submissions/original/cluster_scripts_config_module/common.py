import torch
import torch.nn as nn
import torchvision.transforms.v2 as v2

import config
from dlvc.dataset.cityscapes import CityscapesCustom
from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.metrics import SegMetrics
from dlvc.trainer import ImgSemSegTrainer


def transforms():
    resize = v2.Resize(size=config.IMAGE_SIZE, interpolation=v2.InterpolationMode.NEAREST)
    image = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True), resize,
                        v2.Normalize(config.MEAN, config.STD)])
    target = v2.Compose([v2.ToImage(), v2.ToDtype(torch.long, scale=False), resize])
    return image, target


def oxford():
    image, target = transforms()
    train = OxfordPetsCustom(config.PETS_ROOT, "trainval", "segmentation", image, target, download=True)
    val = OxfordPetsCustom(config.PETS_ROOT, "test", "segmentation", image, target, download=True)
    return train, val


def cityscapes():
    image, target = transforms()
    train = CityscapesCustom(config.CITY_ROOT, "train", "fine", "semantic", image, target)
    val = CityscapesCustom(config.CITY_ROOT, "val", "fine", "semantic", image, target)
    return train, val


def parallel(model):
    """Uses all GPUs that slurm gives us."""
    model.to(config.DEVICE)
    if torch.cuda.device_count() > 1:
        model.net = nn.DataParallel(model.net)
    return model


def fit(model, parameters, data, settings, run_name, ignore_index=-100):
    train_data, val_data = data
    model = parallel(model)

    optimizer = torch.optim.AdamW(parameters, lr=settings.lr, amsgrad=True)
    lr_scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=settings.gamma)
    loss_fn = nn.CrossEntropyLoss(ignore_index=ignore_index)

    run_dir = config.RUNS / run_name
    run_dir.mkdir(parents=True, exist_ok=True)

    trainer = ImgSemSegTrainer(model, optimizer, loss_fn, lr_scheduler,
                               SegMetrics(classes=train_data.classes_seg),
                               SegMetrics(classes=val_data.classes_seg),
                               train_data, val_data, config.DEVICE, settings.epochs, run_dir,
                               batch_size=settings.batch_size, val_frequency=settings.val_frequency)
    trainer.train()
    trainer.dispose()
