"""All experiments of assignment 2.

    python train.py fcn [--pretrained]
    python train.py segformer [--dataset city]
    python train.py finetune [--freeze] [--half-lr] [--weights FILE]

`train_segformer.py ...` calls this file, too.
"""
import argparse
import os
from pathlib import Path

import torch
from torchvision.models.segmentation import fcn_resnet50
from torchvision.transforms import v2

from dlvc.dataset.cityscapes import CityscapesCustom
from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.metrics import SegMetrics
from dlvc.models.segformer import SegFormer
from dlvc.models.segment_model import DeepSegmenter
from dlvc.trainer import ImgSemSegTrainer

ROOTS = {"oxford": Path("/Users/jakob/datasets/oxford"), "city": Path("/Users/jakob/datasets/cityscapes_assg2")}
SAVED = Path("saved_models")

BASE = {"net": "segformer", "data": "oxford", "epochs": 31, "batch_size": 64, "lr": 1e-3, "gamma": 0.98,
        "encoder_from": None, "freeze": False, "backbone": None}
CONFIGS = {
    "fcn_scratch": {**BASE, "net": "fcn"},
    "fcn_imagenet": {**BASE, "net": "fcn", "backbone": "IMAGENET1K_V1"},
    "segformer_oxford": {**BASE},
    "segformer_city": {**BASE, "data": "city", "epochs": 40, "batch_size": 16},
    "finetune_all": {**BASE, "encoder_from": SAVED / "segformer_city" / "SegFormer_model_last.pth"},
    "finetune_frozen": {**BASE, "encoder_from": SAVED / "segformer_city" / "SegFormer_model_last.pth", "freeze": True},
}


def make_data(name):
    image = v2.Compose([
        v2.ToImage(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST),
        v2.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
    ])
    mask = [
        v2.ToImage(),
        v2.ToDtype(torch.long, scale=False),
        v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST),
    ]
    if name == "oxford":
        mask = v2.Compose(mask + [v2.Lambda(lambda m: m - 1)])  # 1, 2, 3 -> 0, 1, 2
        return [OxfordPetsCustom(root=ROOTS[name], split=split, target_types="segmentation", transform=image,
                                 target_transform=mask, download=True) for split in ("trainval", "test")]
    mask = v2.Compose(mask)
    return [CityscapesCustom(root=ROOTS[name], split=split, mode="fine", target_type="semantic", transform=image,
                             target_transform=mask) for split in ("train", "val")]


def make_model(config, num_classes):
    if config["net"] == "fcn":
        return DeepSegmenter(fcn_resnet50(weights=None, weights_backbone=config["backbone"], num_classes=num_classes))
    model = DeepSegmenter(SegFormer(num_classes=num_classes))
    if config["encoder_from"] is not None:
        state = torch.load(config["encoder_from"], map_location="cpu")
        state = {key.removeprefix("encoder."): value for key, value in state.items() if key.startswith("encoder.")}
        model.net.encoder.load_state_dict(state)
    return model


def run(name, config):
    print(f"=== {name}: {config}")
    train_data, val_data = make_data(config["data"])
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = make_model(config, len(train_data.classes_seg)).to(device)

    parameters = model.parameters()
    if config["freeze"]:
        model.net.encoder.requires_grad_(False)
        parameters = model.net.decoder.parameters()
    optimizer = torch.optim.AdamW(parameters, lr=config["lr"], amsgrad=True)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=config["gamma"])

    save_dir = SAVED / name
    save_dir.mkdir(parents=True, exist_ok=True)
    trainer = ImgSemSegTrainer(
        model=model, optimizer=optimizer, loss_fn=torch.nn.CrossEntropyLoss(ignore_index=255), lr_scheduler=scheduler,
        train_metric=SegMetrics(train_data.classes_seg), val_metric=SegMetrics(val_data.classes_seg),
        train_data=train_data, val_data=val_data, device=device, num_epochs=config["epochs"],
        training_save_dir=save_dir, batch_size=config["batch_size"], val_frequency=2)
    trainer.train()
    trainer.dispose()


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-d", "--gpu_id", default="0")
    commands = parser.add_subparsers(dest="command", required=True)
    fcn = commands.add_parser("fcn")
    fcn.add_argument("--pretrained", action="store_true")
    segformer = commands.add_parser("segformer")
    segformer.add_argument("--dataset", choices=["oxford", "city"], default="oxford")
    finetune = commands.add_parser("finetune")
    finetune.add_argument("--freeze", action="store_true")
    finetune.add_argument("--half-lr", action="store_true")
    finetune.add_argument("--weights", type=Path)
    return parser.parse_args(argv)


def main(argv=None):
    args = parse(argv)
    os.environ["CUDA_VISIBLE_DEVICES"] = args.gpu_id
    if args.command == "fcn":
        name = "fcn_imagenet" if args.pretrained else "fcn_scratch"
    elif args.command == "segformer":
        name = f"segformer_{args.dataset}"
    else:
        name = "finetune_frozen" if args.freeze else "finetune_all"
    config = dict(CONFIGS[name])
    if getattr(args, "half_lr", False):
        config["lr"] /= 2
        name += "_half_lr"
    if getattr(args, "weights", None):
        config["encoder_from"] = args.weights
    run(name, config)


if __name__ == "__main__":
    main()
