"""
Part 6, step 2:
    python finetune_segformer.py full
    python finetune_segformer.py frozen
    python finetune_segformer.py full --lr 0.0005
"""
import argparse
from dataclasses import replace

import torch

import config
from common import fit, oxford
from dlvc.models.segformer import SegFormer
from dlvc.models.segment_model import DeepSegmenter


def newest_checkpoint():
    files = list(config.RUNS.glob("*cityscapes*/SegFormer_model_last.pth"))
    if not files:
        raise FileNotFoundError(f"no pre-trained SegFormer below {config.RUNS}, run pretrain_cityscapes.py first")
    return max(files, key=lambda f: f.stat().st_mtime)


def copy_encoder(net):
    path = newest_checkpoint()
    print("encoder weights from", path)
    pretrained = torch.load(path, map_location="cpu")
    own = net.state_dict()
    copied = 0
    for key, value in pretrained.items():
        if key.startswith("encoder."):
            own[key].copy_(value)
            copied += 1
    assert copied == len(net.encoder.state_dict())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("option", choices=["full", "frozen"], help="a: full, b: frozen encoder")
    parser.add_argument("--lr", type=float, default=config.FINETUNING.lr)
    args = parser.parse_args()

    net = SegFormer(num_classes=3)
    copy_encoder(net)
    model = DeepSegmenter(net)

    if args.option == "frozen":
        for p in net.encoder.parameters():
            p.requires_grad = False
        parameters = net.decoder.parameters()
    else:
        parameters = net.parameters()

    fit(model, parameters, oxford(), replace(config.FINETUNING, lr=args.lr), f"segformer_{args.option}_lr{args.lr}")
