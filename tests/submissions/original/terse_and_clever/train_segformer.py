#!/usr/bin/env python3
"""Parts 5 and 6: python train_segformer.py [scratch] [streets] [finetune] [gentle] [frozen]

Nothing named: all of them, in this order. The last three start from the newest file in saved_models/ that was
trained on the streets (its head has 19 outputs).
"""
from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import nn

from dlvc.data import pets, streets
from dlvc.models.segformer import SegFormer
from dlvc.run import SAVED, Run

HEAD = "decoder.linear_pred.weight"


def newest_street_weights() -> tuple[Path, dict[str, torch.Tensor]]:
    for path in sorted(SAVED.glob("**/SegFormer_model_*.pth"), key=lambda p: p.stat().st_mtime, reverse=True):
        weights = torch.load(path, map_location="cpu", weights_only=True)
        if weights[HEAD].shape[0] == 19:
            return path, weights
    raise SystemExit(f"no SegFormer of the streets below {SAVED.resolve()}: run `train_segformer.py streets` first")


def pretrained(classes: int) -> SegFormer:
    net = SegFormer(classes)
    path, weights = newest_street_weights()
    net.encoder.load_state_dict({k.removeprefix("encoder."): w for k, w in weights.items() if k.startswith("encoder.")})
    print("encoder:", path)
    return net


def frozen(classes: int) -> SegFormer:
    net = pretrained(classes)
    net.encoder.requires_grad_(False)
    return net


def halves(net: nn.Module, lr: float) -> list[dict]:
    """the encoder is nearly there, the decoder has everything to learn"""
    return [{"params": net.encoder.parameters(), "lr": lr / 2}, {"params": net.decoder.parameters(), "lr": lr}]


def decoder_only(net: nn.Module, lr: float) -> list[dict]:
    return [{"params": net.decoder.parameters(), "lr": lr}]


RUNS = {
    "scratch": Run(SegFormer, pets),
    "streets": Run(SegFormer, streets, epochs=41, batch_size=16),
    "finetune": Run(pretrained, pets),
    "gentle": Run(pretrained, pets, groups=halves),
    "frozen": Run(frozen, pets, groups=decoder_only),
}

if __name__ == "__main__":
    for name in sys.argv[1:] or RUNS:
        RUNS[name](f"segformer-{name}")
