import os
from argparse import ArgumentParser
from pathlib import Path

import torch
import torch.nn as nn
import torch.optim as optim
import torchvision.transforms.v2 as v2

from dlvc.models.segformer import SegFormer
from dlvc.models.segment_model import DeepSegmenter
from dlvc.datasets.cityscapes import CityscapesCustom
from dlvc.datasets.oxfordpets import OxfordPetsCustom
from dlvc.metrics import SegMetrics
from dlvc.trainer import ImgSemSegTrainer

DATASETS = Path(r"E:\Studium\DLVC\datasets" if os.name == 'nt' else "../datasets")


def load_data(name):
    image_transform = v2.Compose([
        v2.ToImage(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST),
        v2.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])])
    mask_transform = v2.Compose([
        v2.ToImage(),
        v2.ToDtype(torch.long, scale=False),
        v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST)])

    if name == 'oxford':
        train_data = OxfordPetsCustom(root=DATASETS / 'oxford', split="trainval", target_types='segmentation',
                                      transform=image_transform, target_transform=mask_transform, download=True)
        val_data = OxfordPetsCustom(root=DATASETS / 'oxford', split="test", target_types='segmentation',
                                    transform=image_transform, target_transform=mask_transform, download=True)
    elif name == 'city':
        train_data = CityscapesCustom(root=DATASETS / 'cityscapes_assg2', split="train", mode="fine",
                                      target_type='semantic', transform=image_transform,
                                      target_transform=mask_transform)
        val_data = CityscapesCustom(root=DATASETS / 'cityscapes_assg2', split="val", mode="fine",
                                    target_type='semantic', transform=image_transform,
                                    target_transform=mask_transform)
    return train_data, val_data


def train(args):
    train_data, val_data = load_data(args.dataset)
    device = torch.device('cuda' if torch.cuda.is_available() and not args.cpu else 'cpu')

    model = DeepSegmenter(SegFormer(num_classes=len(train_data.classes_seg)))
    run_name = f'segformer_{args.dataset}'

    if args.finetune is not None:
        # whole network of the pre-training as a donor, we only take its encoder
        donor = DeepSegmenter(SegFormer(num_classes=19))
        donor.load('saved_models/segformer_city/SegFormer_model_last.pth')
        model.net.encoder.load_state_dict(donor.net.encoder.state_dict())
        del donor
        run_name += f'_finetune_{args.finetune}_lr{args.lr}'
    model.to(device)

    if args.finetune == 'b':
        model.net.encoder.requires_grad_(False)
        optimizer = optim.AdamW(model.net.decoder.parameters(), lr=args.lr, amsgrad=True)
    else:
        optimizer = optim.AdamW(model.parameters(), lr=args.lr, amsgrad=True)
    # 0.95 worked a bit better than 0.98 for the SegFormer
    scheduler = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.95)

    save_dir = Path('saved_models', run_name)
    save_dir.mkdir(parents=True, exist_ok=True)

    trainer = ImgSemSegTrainer(model, optimizer, nn.CrossEntropyLoss(ignore_index=255), scheduler,
                               SegMetrics(len(train_data.classes_seg)), SegMetrics(len(val_data.classes_seg)),
                               train_data, val_data, device, args.num_epochs, save_dir,
                               batch_size=16 if args.dataset == 'city' else 64, val_frequency=2)
    trainer.train()


if __name__ == '__main__':
    parser = ArgumentParser()
    parser.add_argument('--cpu', action='store_true')
    parser.add_argument('--dataset', default='oxford', choices=['oxford', 'city'])
    parser.add_argument('--finetune', default=None, choices=['a', 'b'])
    parser.add_argument('--lr', type=float, default=0.001)
    args = parser.parse_args()
    args.num_epochs = 40 if args.dataset == 'city' else 30
    train(args)
