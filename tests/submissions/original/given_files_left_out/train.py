import os
from argparse import ArgumentParser
from pathlib import Path

import torch
import torch.nn as nn
import torch.optim as optim
import torchvision.transforms.v2 as v2
import torchvision.models.segmentation as seg_models
from torchvision.models import ResNet50_Weights

from dlvc.models.segment_model import DeepSegmenter
from dlvc.datasets.oxfordpets import OxfordPetsCustom
from dlvc.metrics import SegMetrics
from dlvc.trainer import ImgSemSegTrainer

DATASET_PATH = r"E:\Studium\DLVC\datasets\oxford" if os.name == 'nt' else "../datasets/oxford"


def train(args, net, run_name):
    image_transform = v2.Compose([
        v2.ToImage(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST),
        v2.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])])
    mask_transform = v2.Compose([
        v2.ToImage(),
        v2.ToDtype(torch.long, scale=False),
        v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST)])

    train_data = OxfordPetsCustom(root=DATASET_PATH, split="trainval", target_types='segmentation',
                                  transform=image_transform, target_transform=mask_transform, download=True)
    val_data = OxfordPetsCustom(root=DATASET_PATH, split="test", target_types='segmentation',
                                transform=image_transform, target_transform=mask_transform, download=True)

    device = torch.device('cuda' if torch.cuda.is_available() and not args.cpu else 'cpu')
    model = DeepSegmenter(net).to(device)

    optimizer = optim.AdamW(model.parameters(), lr=0.001, amsgrad=True)
    scheduler = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.98)

    save_dir = Path('saved_models', run_name)
    save_dir.mkdir(parents=True, exist_ok=True)

    ImgSemSegTrainer(model, optimizer, nn.CrossEntropyLoss(), scheduler,
                     SegMetrics(len(train_data.classes_seg)), SegMetrics(len(val_data.classes_seg)),
                     train_data, val_data, device, args.num_epochs, save_dir,
                     batch_size=64, val_frequency=2).train()


if __name__ == '__main__':
    parser = ArgumentParser()
    parser.add_argument('--cpu', action='store_true')
    args = parser.parse_args()
    args.num_epochs = 30

    # Part 4.1
    train(args, seg_models.fcn_resnet50(weights_backbone=None, num_classes=3), 'fcn_scratch')
    # Part 4.2
    train(args, seg_models.fcn_resnet50(weights_backbone=ResNet50_Weights.IMAGENET1K_V2, num_classes=3), 'fcn_backbone')
