import argparse

import torch
from torchvision.models import ResNet50_Weights
from torchvision.models.segmentation import fcn_resnet50

from dlvc import ramdata
from dlvc.metrics import SegMetrics
from dlvc.models.segment_model import DeepSegmenter
from dlvc.trainer import RamTrainer


def train(name, backbone_weights, args):
    train_data, val_data = ramdata.pets(args.root)

    net = fcn_resnet50(weights=None, weights_backbone=backbone_weights, num_classes=len(train_data.classes_seg))
    model = DeepSegmenter(net).to(ramdata.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, amsgrad=True)

    trainer = RamTrainer(model, optimizer, torch.nn.CrossEntropyLoss(),
                         torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.98),
                         SegMetrics(train_data.classes_seg), SegMetrics(val_data.classes_seg),
                         train_data, val_data, args.epochs, f"saved_models/{name}", batch_size=64)
    print(name, "best validation mIoU:", trainer.train())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Part 4, both experiments one after the other")
    parser.add_argument("--root", default="D:/Uni/DLVC/data/oxford_pets")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--lr", type=float, default=1e-3)
    args = parser.parse_args()

    train("fcn_scratch", None, args)
    train("fcn_imagenet", ResNet50_Weights.IMAGENET1K_V1, args)
