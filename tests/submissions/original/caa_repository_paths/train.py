import argparse
import os
from pathlib import Path

import torch
import torchvision.transforms.v2 as v2
from torchvision.models.segmentation import fcn_resnet50
from torchvision.models import ResNet50_Weights

from assignments.assignment_2.dlvc.models.segment_model import DeepSegmenter
from assignments.assignment_2.dlvc.dataset.oxfordpets import OxfordPetsCustom
from assignments.assignment_2.dlvc.metrics import SegMetrics
from assignments.assignment_2.dlvc.trainer import ImgSemSegTrainer

# our project folder on the server
CAA = Path("/caa/Student/dlvc/dlvc_24/public_group")
DATA_OXFORD = CAA / "data" / "oxford_pets"
SAVE_DIR = CAA / "assignment_2" / "saved_models"


def train(args):
    train_transform = v2.Compose([v2.ToImage(),
                                  v2.ToDtype(torch.float32, scale=True),
                                  v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST),
                                  v2.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])])
    train_transform2 = v2.Compose([v2.ToImage(),
                                   v2.ToDtype(torch.long, scale=False),
                                   v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST)])

    train_data = OxfordPetsCustom(root=DATA_OXFORD, split="trainval", target_types='segmentation',
                                  transform=train_transform, target_transform=train_transform2, download=True)
    val_data = OxfordPetsCustom(root=DATA_OXFORD, split="test", target_types='segmentation',
                                transform=train_transform, target_transform=train_transform2, download=True)

    device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')

    num_classes = len(train_data.classes_seg)
    if args.pretrained:
        net = fcn_resnet50(weights=None, num_classes=num_classes, weights_backbone=ResNet50_Weights.IMAGENET1K_V1)
        name = "fcn_pretrained"
    else:
        net = fcn_resnet50(weights=None, num_classes=num_classes, weights_backbone=None)
        name = "fcn_scratch"
    model = DeepSegmenter(net).to(device)

    optimizer = torch.optim.AdamW(model.parameters(), lr=0.001, amsgrad=True)
    loss_fn = torch.nn.CrossEntropyLoss()
    lr_scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.98)

    train_metric = SegMetrics(classes=train_data.classes_seg)
    val_metric = SegMetrics(classes=val_data.classes_seg)

    model_save_dir = SAVE_DIR / name
    model_save_dir.mkdir(parents=True, exist_ok=True)

    trainer = ImgSemSegTrainer(model, optimizer, loss_fn, lr_scheduler, train_metric, val_metric,
                               train_data, val_data, device, args.num_epochs, model_save_dir,
                               batch_size=64, val_frequency=2)
    trainer.train()
    trainer.dispose()


if __name__ == "__main__":
    # start from the repository root:
    #   python -m assignments.assignment_2.train --pretrained
    args = argparse.ArgumentParser(description='Training')
    args.add_argument('-d', '--gpu_id', default='0', type=str, help='index of which GPU to use')
    args.add_argument('--pretrained', action='store_true', help='ImageNet weights for the backbone')

    if not isinstance(args, tuple):
        args = args.parse_args()
    os.environ['CUDA_VISIBLE_DEVICES'] = str(args.gpu_id)
    args.num_epochs = 31

    train(args)
