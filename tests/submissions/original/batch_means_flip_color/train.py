import os
import sys
from pathlib import Path

import torch
import torchvision.transforms.v2 as v2
from torchvision.models.segmentation import fcn_resnet50
from torchvision.models import ResNet50_Weights

from dlvc.models.segment_model import DeepSegmenter
from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.metrics import SegMetrics
from dlvc.trainer import ImgSemSegTrainer


def train(pretrained: bool, num_epochs: int = 31):
    # Data augmentation against overfitting (only for training)
    train_transform = v2.Compose([v2.ToImage(),
                                  v2.ToDtype(torch.float32, scale=True),
                                  v2.RandomHorizontalFlip(p=0.5),
                                  v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST),
                                  v2.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])])
    val_transform = v2.Compose([v2.ToImage(),
                                v2.ToDtype(torch.float32, scale=True),
                                v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST),
                                v2.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])])
    target_transform = v2.Compose([v2.ToImage(),
                                   v2.ToDtype(torch.long, scale=False),
                                   v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST)])

    train_data = OxfordPetsCustom(root="data/oxford", split="trainval", target_types="segmentation",
                                  transform=train_transform, target_transform=target_transform, download=True)
    val_data = OxfordPetsCustom(root="data/oxford", split="test", target_types="segmentation",
                                transform=val_transform, target_transform=target_transform, download=True)

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    # Part 4: from scratch / pre-trained backbone
    if pretrained:
        net = fcn_resnet50(weights=None, weights_backbone=ResNet50_Weights.IMAGENET1K_V1, num_classes=3)
    else:
        net = fcn_resnet50(weights=None, weights_backbone=None, num_classes=3)
    model = DeepSegmenter(net)
    model.to(device)

    optimizer = torch.optim.AdamW(model.parameters(), lr=0.001, amsgrad=True)
    loss_fn = torch.nn.CrossEntropyLoss()
    lr_scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.98)

    train_metric = SegMetrics(classes=train_data.classes_seg)
    val_metric = SegMetrics(classes=val_data.classes_seg)

    model_save_dir = Path("saved_models_fcn_pretrained" if pretrained else "saved_models_fcn_scratch")
    model_save_dir.mkdir(exist_ok=True)

    trainer = ImgSemSegTrainer(model, optimizer, loss_fn, lr_scheduler, train_metric, val_metric, train_data, val_data,
                               device, num_epochs, model_save_dir, batch_size=64, val_frequency=2)
    trainer.train()
    trainer.dispose()


if __name__ == "__main__":
    os.environ["CUDA_VISIBLE_DEVICES"] = "0"
    # python train.py            -> from scratch
    # python train.py pretrained -> with backbone weights
    train(pretrained="pretrained" in sys.argv)
