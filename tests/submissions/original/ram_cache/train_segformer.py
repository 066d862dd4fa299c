import argparse
from pathlib import Path

import torch

from dlvc import ramdata
from dlvc.metrics import SegMetrics
from dlvc.models.segformer import SegFormer
from dlvc.models.segment_model import DeepSegmenter
from dlvc.trainer import RamTrainer

SAVED = Path("saved_models")


def run(name, model, parameters, data, epochs, batch_size, lr):
    train_data, val_data = data
    optimizer = torch.optim.AdamW(parameters, lr=lr, amsgrad=True)
    trainer = RamTrainer(model, optimizer, torch.nn.CrossEntropyLoss(ignore_index=255),
                         torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.98),
                         SegMetrics(train_data.classes_seg), SegMetrics(val_data.classes_seg),
                         train_data, val_data, epochs, SAVED / name, batch_size=batch_size)
    print(name, "best validation mIoU:", trainer.train())


def scratch(args):
    model = DeepSegmenter(SegFormer(num_classes=3)).to(ramdata.device)
    run("segformer_scratch", model, model.parameters(), ramdata.pets(args.pets), args.epochs, 64, args.lr)


def pretrain(args):
    model = DeepSegmenter(SegFormer(num_classes=19)).to(ramdata.device)
    run("segformer_city", model, model.parameters(), ramdata.cityscapes(args.city), args.city_epochs, 16, args.lr)
    torch.save(model.net.encoder.state_dict(), SAVED / "segformer_city" / "encoder.pth")


def finetune(args, freeze, lr, name):
    model = DeepSegmenter(SegFormer(num_classes=3)).to(ramdata.device)
    model.net.encoder.load_state_dict(torch.load(SAVED / "segformer_city" / "encoder.pth",
                                                 map_location=ramdata.device))
    if freeze:
        model.net.encoder.requires_grad_(False)
    parameters = [p for p in model.parameters() if p.requires_grad]
    run(name, model, parameters, ramdata.pets(args.pets), args.epochs, 64, lr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Parts 5 and 6, all experiments one after the other")
    parser.add_argument("--pets", default="D:/Uni/DLVC/data/oxford_pets")
    parser.add_argument("--city", default="D:/Uni/DLVC/data/cityscapes_assg2")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--city_epochs", type=int, default=40)
    parser.add_argument("--lr", type=float, default=1e-3)
    args = parser.parse_args()

    scratch(args)
    pretrain(args)
    finetune(args, freeze=False, lr=args.lr, name="segformer_finetune_a")
    finetune(args, freeze=False, lr=args.lr / 2, name="segformer_finetune_a_half_lr")
    finetune(args, freeze=True, lr=args.lr, name="segformer_finetune_b")
