import os

import torch
import torchvision.transforms.v2 as v2
from torchvision.models import ResNet50_Weights
from torchvision.models.segmentation import fcn_resnet50

from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.metrics import SegMetrics
from dlvc.models.segment_model import DeepSegmenter
from dlvc.trainer import ImgSemSegTrainer


def train():
    train_transform = v2.Compose([v2.ToImage(),
                                  v2.ToDtype(torch.float32, scale=True),
                                  v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST),
                                  v2.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])])
    train_transform2 = v2.Compose([v2.ToImage(),
                                   v2.ToDtype(torch.long, scale=False),
                                   v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST)])

    root = r"E:\Studium\DLVC\data\oxford_pets"
    # root = "/home/felix/dlvc/oxford_pets"     # server
    train_data = OxfordPetsCustom(root=root, split="trainval", target_types='segmentation',
                                  transform=train_transform, target_transform=train_transform2, download=True)
    val_data = OxfordPetsCustom(root=root, split="test", target_types='segmentation',
                                transform=train_transform, target_transform=train_transform2, download=True)

    device = torch.device('cuda:0')
    # device = torch.device('cpu')

    # ---- experiment 1: from scratch
    # net = fcn_resnet50(weights=None, weights_backbone=None, num_classes=3)
    # training_save_dir = "saved_models/fcn_scratch"
    # ---- experiment 2: backbone trained on ImageNet
    net = fcn_resnet50(weights=None, weights_backbone=ResNet50_Weights.IMAGENET1K_V1, num_classes=3)
    training_save_dir = "saved_models/fcn_pretrained"

    os.makedirs(training_save_dir, exist_ok=True)
    model = DeepSegmenter(net)
    model.to(device)

    optimizer = torch.optim.AdamW(model.parameters(), lr=0.001, amsgrad=True)
    # optimizer = torch.optim.Adam(model.parameters(), lr=0.0005)
    loss_fn = torch.nn.CrossEntropyLoss()
    lr_scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.98)
    # lr_scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=10, gamma=0.5)

    trainer = ImgSemSegTrainer(model,
                               optimizer,
                               loss_fn,
                               lr_scheduler,
                               SegMetrics(classes=train_data.classes_seg),
                               SegMetrics(classes=val_data.classes_seg),
                               train_data,
                               val_data,
                               device,
                               30,
                               training_save_dir,
                               batch_size=64,
                               val_frequency=2)
    trainer.train()


if __name__ == "__main__":
    train()
