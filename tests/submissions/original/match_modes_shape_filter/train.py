import argparse
import os
from pathlib import Path

import torch
import torchvision.transforms.v2 as v2
from torchvision.models import ResNet50_Weights
from torchvision.models.segmentation import fcn_resnet50

from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.metrics import SegMetrics
from dlvc.models.segment_model import DeepSegmenter
from dlvc.trainer import ImgSemSegTrainer


def train(args):
    train_transform = v2.Compose([v2.ToImage(),
                                  v2.ToDtype(torch.float32, scale=True),
                                  v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST),
                                  v2.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])])
    target_transform = v2.Compose([v2.ToImage(),
                                   v2.ToDtype(torch.long, scale=False),
                                   v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST)])

    train_data = OxfordPetsCustom(root=args.data, split="trainval", target_types='segmentation',
                                  transform=train_transform, target_transform=target_transform, download=True)
    val_data = OxfordPetsCustom(root=args.data, split="test", target_types='segmentation',
                                transform=train_transform, target_transform=target_transform, download=True)

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    match args.mode:
        case "scratch":
            net = fcn_resnet50(weights=None, num_classes=3)
        case "pretrained":
            net = fcn_resnet50(weights=None, weights_backbone=ResNet50_Weights.IMAGENET1K_V1, num_classes=3)
        case other:
            raise SystemExit(f"no such mode: {other}")

    model = DeepSegmenter(net)
    model.to(device)

    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, amsgrad=True)
    loss_fn = torch.nn.CrossEntropyLoss()
    lr_scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.98)

    train_metric = SegMetrics(classes=train_data.classes_seg)
    val_metric = SegMetrics(classes=val_data.classes_seg)

    model_save_dir = Path("saved_models") / f"fcn_{args.mode}"
    model_save_dir.mkdir(parents=True, exist_ok=True)

    trainer = ImgSemSegTrainer(model,
                               optimizer,
                               loss_fn,
                               lr_scheduler,
                               train_metric,
                               val_metric,
                               train_data,
                               val_data,
                               device,
                               args.epochs,
                               model_save_dir,
                               batch_size=64,
                               val_frequency=2)
    trainer.train()

    # see Reference implementation of ImgSemSegTrainer
    # just comment if not used
    trainer.dispose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description='Training')
    parser.add_argument('mode', nargs='?', default='scratch', help='scratch or pretrained')
    parser.add_argument('-d', '--gpu_id', default='0', type=str, help='index of which GPU to use')
    parser.add_argument('--data', default='/home/hannes/datasets/oxford', help='where the pets are')
    parser.add_argument('--epochs', default=31, type=int)
    parser.add_argument('--lr', default=0.001, type=float)
    args = parser.parse_args()

    os.environ['CUDA_VISIBLE_DEVICES'] = args.gpu_id
    train(args)
