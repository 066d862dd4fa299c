import argparse
import os
from pathlib import Path

import torch
from torchvision.models.segmentation import fcn_resnet50

from core.models.segment_model import DeepSegmenter
from core.dataset.oxfordpets import OxfordPetsCustom
from core.metrics import SegMetrics
from core.trainer_reference_impl import ImgSemSegTrainer
from core.transforms import image_transform, mask_transform


def train(args):
    train_data = OxfordPetsCustom(root="/Users/lenaw/datasets/oxford_pets",
                                  split="trainval",
                                  target_types='segmentation',
                                  transform=image_transform(),
                                  target_transform=mask_transform(),
                                  download=True)

    val_data = OxfordPetsCustom(root="/Users/lenaw/datasets/oxford_pets",
                                split="test",
                                target_types='segmentation',
                                transform=image_transform(),
                                target_transform=mask_transform(),
                                download=True)

    # mps does not know all ops, so cuda or cpu
    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")

    model = DeepSegmenter(fcn_resnet50(weights=None, weights_backbone=None, num_classes=3))
    model.to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.001, amsgrad=True)
    loss_fn = torch.nn.CrossEntropyLoss()

    train_metric = SegMetrics(classes=train_data.classes_seg)
    val_metric = SegMetrics(classes=val_data.classes_seg)

    model_save_dir = Path("saved_models/fcn_scratch")
    model_save_dir.mkdir(exist_ok=True, parents=True)

    lr_scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.98)

    trainer = ImgSemSegTrainer(model, optimizer, loss_fn, lr_scheduler, train_metric, val_metric, train_data,
                               val_data, device, args.num_epochs, model_save_dir, batch_size=64, val_frequency=2)
    trainer.train()
    trainer.dispose()


if __name__ == "__main__":
    args = argparse.ArgumentParser(description='Training')
    args.add_argument('-d', '--gpu_id', default='0', type=str, help='index of which GPU to use')
    args = args.parse_args()
    os.environ['CUDA_VISIBLE_DEVICES'] = str(args.gpu_id)
    args.gpu_id = 0
    args.num_epochs = 31

    train(args)
