import argparse
import os
from pathlib import Path

import torch
import torchvision.transforms.v2 as v2
from torchvision.models.segmentation import fcn_resnet50

from dlvc.models.segment_model import DeepSegmenter
from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.metrics import SegMetrics
from dlvc.trainer import ImgSemSegTrainer


def train(args, pretrained):
    print("######## FCN", "pretrained encoder" if pretrained else "from scratch", "########")

    transform = v2.Compose([v2.ToImage(),
                            v2.ToDtype(torch.float32, scale=True),
                            v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST),
                            v2.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])])
    target_transform = v2.Compose([v2.ToImage(),
                                   v2.ToDtype(torch.long, scale=False),
                                   v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST)])

    root = "C:\\Users\\Lena\\Documents\\TU\\DLVC\\data\\pets" if os.name == "nt" else "/home/lena/dlvc/data/pets"
    train_data = OxfordPetsCustom(root=root, split="trainval", target_types='segmentation',
                                  transform=transform, target_transform=target_transform, download=True)
    val_data = OxfordPetsCustom(root=root, split="test", target_types='segmentation',
                                transform=transform, target_transform=target_transform, download=True)

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    print("device:", device)

    weights_backbone = "IMAGENET1K_V2" if pretrained else None
    fcn = fcn_resnet50(weights=None, progress=True, num_classes=3, weights_backbone=weights_backbone)
    model = DeepSegmenter(fcn)
    model.to(device)

    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, amsgrad=True)
    loss_fn = torch.nn.CrossEntropyLoss()
    lr_scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.98)

    train_metric = SegMetrics(classes=train_data.classes_seg)
    val_metric = SegMetrics(classes=val_data.classes_seg)
    val_frequency = 2

    model_save_dir = Path("saved_models") / ("fcn_pre" if pretrained else "fcn_scratch")
    os.makedirs(model_save_dir, exist_ok=True)

    trainer = ImgSemSegTrainer(model, optimizer, loss_fn, lr_scheduler, train_metric, val_metric,
                               train_data, val_data, device, args.num_epochs, model_save_dir,
                               batch_size=64, val_frequency=val_frequency)
    trainer.train()
    trainer.dispose()


if __name__ == "__main__":
    args = argparse.ArgumentParser(description='Training')
    args.add_argument('-d', '--gpu_id', default='0', type=str, help='index of which GPU to use')
    args = args.parse_args()
    os.environ['CUDA_VISIBLE_DEVICES'] = str(args.gpu_id)
    args.num_epochs = 31

    train(args, pretrained=False)
    train(args, pretrained=True)
