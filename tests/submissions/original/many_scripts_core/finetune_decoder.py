# Part 6, 2b: encoder weights from cityscapes are frozen, train the decoder only
import argparse
import os
from pathlib import Path

import torch

from core.models.segformer import SegFormer
from core.models.segment_model import DeepSegmenter
from core.dataset.oxfordpets import OxfordPetsCustom
from core.metrics import SegMetrics
from core.trainer_reference_impl import ImgSemSegTrainer
from core.transforms import image_transform, mask_transform


def finetune(args):
    train_data = OxfordPetsCustom(root="/Users/lenaw/datasets/oxford_pets", split="trainval",
                                  target_types='segmentation', transform=image_transform(),
                                  target_transform=mask_transform(), download=True)
    val_data = OxfordPetsCustom(root="/Users/lenaw/datasets/oxford_pets", split="test",
                                target_types='segmentation', transform=image_transform(),
                                target_transform=mask_transform(), download=True)

    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")

    model = DeepSegmenter(SegFormer(num_classes=3))
    model.net.encoder.load_state_dict(torch.load("saved_models/segformer_city/encoder.pth", map_location="cpu"))
    model.net.encoder.requires_grad_(False)
    model.to(device)

    optimizer = torch.optim.AdamW(model.net.decoder.parameters(), lr=0.001, amsgrad=True)
    loss_fn = torch.nn.CrossEntropyLoss()
    train_metric = SegMetrics(classes=train_data.classes_seg)
    val_metric = SegMetrics(classes=val_data.classes_seg)

    model_save_dir = Path("saved_models/finetune_decoder")
    model_save_dir.mkdir(exist_ok=True, parents=True)

    lr_scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.98)

    trainer = ImgSemSegTrainer(model, optimizer, loss_fn, lr_scheduler, train_metric, val_metric, train_data,
                               val_data, device, args.num_epochs, model_save_dir, batch_size=64, val_frequency=2)
    trainer.train()
    trainer.dispose()


if __name__ == "__main__":
    args = argparse.ArgumentParser(description='Fine-tuning of the decoder')
    args.add_argument('-d', '--gpu_id', default='0', type=str, help='index of which GPU to use')
    args = args.parse_args()
    os.environ['CUDA_VISIBLE_DEVICES'] = str(args.gpu_id)
    args.gpu_id = 0
    args.num_epochs = 31

    finetune(args)
