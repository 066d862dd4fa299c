"""
SegFormer.

    python train_segformer.py fit                                     from scratch, pets
    python train_segformer.py pretrain                                cityscapes
    python train_segformer.py finetune --strategy full                option a
    python train_segformer.py finetune --strategy frozen [--lr ...]   option b
"""
from argparse import ArgumentParser
from pathlib import Path

import torch

from datamodules import CityModule, PetsModule
from dlvc.metrics import SegMetrics
from dlvc.models.segformer import SegFormer
from dlvc.models.segment_model import DeepSegmenter
from dlvc.trainer import ImgSemSegTrainer


class SegFormerModule(DeepSegmenter):
    """DeepSegmenter that knows about its optimizer and its encoder."""

    def __init__(self, num_classes, lr):
        super().__init__(SegFormer(num_classes))
        self.lr = lr

    def load_pretrained_encoder(self, path):
        checkpoint = torch.load(path, map_location="cpu")
        prefix = "net.encoder."
        weights = {k.removeprefix(prefix): v for k, v in checkpoint.items() if k.startswith(prefix)}
        self.net.encoder.load_state_dict(weights, strict=False)
        print("loaded encoder weights from", path)

    def freeze_encoder(self):
        self.net.encoder.requires_grad_(False)

    def configure_optimizers(self):
        params = [p for p in self.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(params, lr=self.lr, amsgrad=True)
        return optimizer, torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.98)


def run(model, data, name, hparams, epochs, batch_size, loss_fn):
    model.to(hparams.device)
    optimizer, scheduler = model.configure_optimizers()
    run_dir = hparams.out / name
    run_dir.mkdir(parents=True, exist_ok=True)
    trainer = ImgSemSegTrainer(model, optimizer, loss_fn, scheduler, SegMetrics(data.classes),
                               SegMetrics(data.classes), data.train, data.val, hparams.device, epochs, run_dir,
                               batch_size=batch_size, val_frequency=2)
    trainer.train()


def fit(hparams):
    data = PetsModule(hparams.pets_dir)
    model = SegFormerModule(data.num_classes, hparams.lr)
    run(model, data, "segformer_scratch", hparams, 31, 64, torch.nn.CrossEntropyLoss())


def pretrain(hparams):
    data = CityModule(hparams.city_dir)
    model = SegFormerModule(data.num_classes, hparams.lr)
    run(model, data, "segformer_city", hparams, 40, 16, torch.nn.CrossEntropyLoss(ignore_index=255))


def finetune(hparams):
    data = PetsModule(hparams.pets_dir)
    model = SegFormerModule(data.num_classes, hparams.lr)
    model.load_pretrained_encoder(hparams.checkpoint or hparams.out / "segformer_city" / "SegFormer_model_last.pth")
    if hparams.strategy == "frozen":
        model.freeze_encoder()
    run(model, data, f"segformer_{hparams.strategy}", hparams, 31, 64, torch.nn.CrossEntropyLoss())


if __name__ == "__main__":
    common = ArgumentParser(add_help=False)
    common.add_argument("--pets-dir", default="/home/lena/data/pets")
    common.add_argument("--city-dir", default="/home/lena/data/cityscapes_assg2")
    common.add_argument("--out", default="runs", type=Path)
    common.add_argument("--lr", default=1e-3, type=float)
    common.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")

    parser = ArgumentParser()
    sub = parser.add_subparsers(dest="command", required=True)
    sub.add_parser("fit", parents=[common]).set_defaults(func=fit)
    sub.add_parser("pretrain", parents=[common]).set_defaults(func=pretrain)
    p = sub.add_parser("finetune", parents=[common])
    p.add_argument("--strategy", choices=["full", "frozen"], default="full")
    p.add_argument("--checkpoint", type=Path)
    p.set_defaults(func=finetune)

    hparams = parser.parse_args()
    hparams.func(hparams)
