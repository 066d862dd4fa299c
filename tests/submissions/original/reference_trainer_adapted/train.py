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
from dlvc.trainer_reference_impl import ImgSemSegTrainer


def train(args):
    train_transform = v2.Compose([v2.ToImage(),
                                  v2.ToDtype(torch.float32, scale=True),
                                  v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST),
                                  v2.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])])
    train_target_transform = v2.Compose([v2.ToImage(),
                                         v2.ToDtype(torch.long, scale=False),
                                         v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST)])
    val_transform = train_transform
    val_target_transform = train_target_transform

    train_data = OxfordPetsCustom(root="/home/e11930421/data/oxford_pets",
                                  split="trainval",
                                  target_types='segmentation',
                                  transform=train_transform,
                                  target_transform=train_target_transform,
                                  download=True)
    val_data = OxfordPetsCustom(root="/home/e11930421/data/oxford_pets",
                                split="test",
                                target_types='segmentation',
                                transform=val_transform,
                                target_transform=val_target_transform,
                                download=True)

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    # weights stays None in both experiments, as the head of those has 21 outputs
    backbone = ResNet50_Weights.IMAGENET1K_V1 if args.pretrained else None
    net = fcn_resnet50(weights=None, weights_backbone=backbone, num_classes=len(train_data.classes_seg))
    model = DeepSegmenter(net)
    model.to(device)

    optimizer = torch.optim.AdamW(model.parameters(), lr=0.001, amsgrad=True)
    lr_scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.98)
    loss_fn = torch.nn.CrossEntropyLoss()

    train_metric = SegMetrics(classes=train_data.classes_seg)
    val_metric = SegMetrics(classes=val_data.classes_seg)
    val_frequency = 2

    model_save_dir = Path("saved_models") / ("fcn_pretrained" if args.pretrained else "fcn_scratch")
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
                               args.num_epochs,
                               model_save_dir,
                               batch_size=64,
                               val_frequency=val_frequency)
    trainer.train()
    trainer.dispose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description='Training')
    parser.add_argument('-d', '--gpu_id', default='0', type=str, help='index of the GPU to use')
    args = parser.parse_args()

    os.environ["CUDA_VISIBLE_DEVICES"] = str(args.gpu_id)
    args.gpu_id = 0

    args.num_epochs = 31
    # False: from scratch, True: encoder starts with the ImageNet weights
    args.pretrained = False

    train(args)
