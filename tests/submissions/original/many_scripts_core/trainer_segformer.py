# trains the SegFormer from scratch: -ds oxford (Part 5) or -ds city (Part 6, step 1)
import argparse
import os
from pathlib import Path

import torch

from core.models.segformer import SegFormer
from core.models.segment_model import DeepSegmenter
from core.dataset.cityscapes import CityscapesCustom
from core.dataset.oxfordpets import OxfordPetsCustom
from core.metrics import SegMetrics
from core.trainer_reference_impl import ImgSemSegTrainer
from core.transforms import image_transform, mask_transform


def train(args):
    if args.dataset == "oxford":
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
        batch_size = 64
        num_epochs = 31
    elif args.dataset == "city":
        train_data = CityscapesCustom(root="/Users/lenaw/datasets/cityscapes_assg2",
                                      split="train",
                                      mode="fine",
                                      target_type='semantic',
                                      transform=image_transform(),
                                      target_transform=mask_transform())
        val_data = CityscapesCustom(root="/Users/lenaw/datasets/cityscapes_assg2",
                                    split="val",
                                    mode="fine",
                                    target_type='semantic',
                                    transform=image_transform(),
                                    target_transform=mask_transform())
        batch_size = 16
        num_epochs = 41
    else:
        raise ValueError("unknown dataset " + args.dataset)

    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")

    model = DeepSegmenter(SegFormer(num_classes=len(train_data.classes_seg)))
    model.to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.001, amsgrad=True)
    loss_fn = torch.nn.CrossEntropyLoss(ignore_index=255)  # the pets have no 255, does not hurt

    train_metric = SegMetrics(classes=train_data.classes_seg)
    val_metric = SegMetrics(classes=val_data.classes_seg)

    model_save_dir = Path("saved_models/segformer_" + args.dataset)
    model_save_dir.mkdir(exist_ok=True, parents=True)

    lr_scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.98)

    trainer = ImgSemSegTrainer(model, optimizer, loss_fn, lr_scheduler, train_metric, val_metric, train_data,
                               val_data, device, num_epochs, model_save_dir, batch_size=batch_size,
                               val_frequency=2)
    trainer.train()
    trainer.dispose()

    # Part 6 needs the encoder only, so we keep it on its own
    torch.save(model.net.encoder.state_dict(), model_save_dir / "encoder.pth")


if __name__ == "__main__":
    args = argparse.ArgumentParser(description='Training')
    args.add_argument('-d', '--gpu_id', default='0', type=str, help='index of which GPU to use')
    args.add_argument('-ds', '--dataset', default='oxford', type=str, help='oxford or city')
    args = args.parse_args()
    os.environ['CUDA_VISIBLE_DEVICES'] = str(args.gpu_id)
    args.gpu_id = 0

    train(args)
