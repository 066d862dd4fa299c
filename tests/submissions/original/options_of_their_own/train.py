"""
All experiments of group 23 start here:

    python train.py                                   FCN from scratch
    python train.py --pretrained                      FCN, ImageNet backbone
    python train_segformer.py                         SegFormer from scratch
    python train_segformer.py --dataset city --epochs 41 --batch-size 16
    python train_segformer.py --encoder saved_models/segformer_city/SegFormer_model_last.pth
    python train_segformer.py --encoder ... --freeze
    python train_segformer.py --encoder ... --lr 0.0005
"""
import argparse
import os
import sys
from pathlib import Path

import torch
import torchvision.transforms.v2 as v2
from torchvision.models.segmentation import fcn_resnet50
from torchvision.models import ResNet50_Weights

from dlvc.dataset.cityscapes import CityscapesCustom
from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.metrics import SegMetrics
from dlvc.models.segformer import SegFormer
from dlvc.models.segment_model import DeepSegmenter
from dlvc.trainer import ImgSemSegTrainer


def get_args(default_net):
    p = argparse.ArgumentParser(description="DLVC assignment 2, group 23")
    p.add_argument("--net", choices=["fcn", "segformer"], default=default_net)
    p.add_argument("--dataset", choices=["oxford", "city"], default="oxford")
    p.add_argument("--oxford-dir", default="data/oxford", type=Path)
    p.add_argument("--city-dir", default="data/cityscapes_assg2", type=Path)
    p.add_argument("--pretrained", action="store_true", help="FCN only: ImageNet weights for the ResNet backbone")
    p.add_argument("--encoder", type=Path, default=None, metavar="PTH",
                   help="SegFormer only: take the encoder of this file, the decoder stays random")
    p.add_argument("--freeze", action="store_true", help="SegFormer only: train the decoder only")
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--gamma", type=float, default=0.98)
    p.add_argument("--epochs", type=int, default=31)
    p.add_argument("--batch-size", type=int, default=64)
    p.add_argument("--val-frequency", type=int, default=2)
    p.add_argument("--size", type=int, default=64)
    p.add_argument("--no-wandb", dest="wandb", action="store_false")
    p.add_argument("-d", "--gpu_id", default="0")
    args = p.parse_args()

    if args.freeze and args.encoder is None:
        p.error("--freeze without --encoder would freeze random weights")
    if args.net == "fcn" and (args.encoder or args.freeze):
        p.error("--encoder and --freeze are for the segformer")
    if args.net == "segformer" and args.pretrained:
        p.error("--pretrained is for the fcn")
    return args


def get_data(args):
    size = (args.size, args.size)
    nearest = v2.InterpolationMode.NEAREST
    tf = v2.Compose([v2.ToImage(),
                     v2.ToDtype(torch.float32, scale=True),
                     v2.Resize(size=size, interpolation=nearest),
                     v2.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])])
    tf_mask = v2.Compose([v2.ToImage(),
                          v2.ToDtype(torch.long, scale=False),
                          v2.Resize(size=size, interpolation=nearest)])

    if args.dataset == "oxford":
        sets = [OxfordPetsCustom(root=str(args.oxford_dir), split=split, target_types="segmentation",
                                 transform=tf, target_transform=tf_mask, download=True)
                for split in ("trainval", "test")]
    else:
        sets = [CityscapesCustom(root=str(args.city_dir), split=split, mode="fine", target_type="semantic",
                                 transform=tf, target_transform=tf_mask)
                for split in ("train", "val")]
    return sets


def load_encoder(model, path):
    """strict on purpose: we lost an evening to a file with other keys"""
    state = torch.load(path, map_location="cpu")
    prefix = "encoder."
    encoder = {k[len(prefix):]: v for k, v in state.items() if k.startswith(prefix)}
    if len(encoder) == 0:
        sys.exit(f"{path} has no encoder in it")
    model.net.encoder.load_state_dict(encoder, strict=True)
    print(f"{len(encoder)} encoder tensors loaded from {path}")


def get_model(args, num_classes):
    if args.net == "fcn":
        backbone = ResNet50_Weights.IMAGENET1K_V2 if args.pretrained else None
        return DeepSegmenter(fcn_resnet50(weights=None, weights_backbone=backbone, num_classes=num_classes))

    model = DeepSegmenter(SegFormer(num_classes=num_classes))
    if args.encoder is not None:
        load_encoder(model, args.encoder)
    if args.freeze:
        model.net.encoder.requires_grad_(False)
    return model


def run_name(args):
    name = f"{args.net}_{args.dataset}"
    if args.pretrained:
        name += "_imagenet"
    if args.encoder is not None:
        name += "_frozen" if args.freeze else "_finetuned"
    if args.lr != 1e-3:
        name += f"_lr{args.lr:g}"
    return name


def main(default_net="fcn"):
    args = get_args(default_net)
    os.environ["CUDA_VISIBLE_DEVICES"] = args.gpu_id
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    train_data, val_data = get_data(args)
    classes = train_data.classes_seg
    model = get_model(args, len(classes)).to(device)

    trainable = [p for p in model.parameters() if p.requires_grad]
    print(f"{run_name(args)}: {sum(p.numel() for p in trainable):,} parameters to train on {device}")
    optimizer = torch.optim.AdamW(trainable, lr=args.lr, amsgrad=True)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=args.gamma)

    save_dir = Path("saved_models") / run_name(args)
    save_dir.mkdir(parents=True, exist_ok=True)

    trainer = ImgSemSegTrainer(model, optimizer, torch.nn.CrossEntropyLoss(ignore_index=255), scheduler,
                               SegMetrics(classes), SegMetrics(classes), train_data, val_data, device,
                               num_epochs=args.epochs, training_save_dir=save_dir,
                               batch_size=args.batch_size, val_frequency=args.val_frequency,
                               use_wandb=args.wandb)
    trainer.train()
    trainer.dispose()


if __name__ == "__main__":
    main("fcn")
