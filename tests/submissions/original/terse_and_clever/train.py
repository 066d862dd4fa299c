#!/usr/bin/env python3
"""Part 4: python train.py [scratch] [backbone]      (nothing named: both)"""
from __future__ import annotations

import sys
from functools import partial

from torchvision.models import ResNet50_Weights
from torchvision.models.segmentation import fcn_resnet50

from dlvc.data import pets
from dlvc.run import Run


def fcn(classes: int, backbone: ResNet50_Weights | None):
    return fcn_resnet50(weights=None, weights_backbone=backbone, num_classes=classes, aux_loss=False)


RUNS = {
    "scratch": Run(partial(fcn, backbone=None), pets),
    "backbone": Run(partial(fcn, backbone=ResNet50_Weights.IMAGENET1K_V1), pets),
}

if __name__ == "__main__":
    for name in sys.argv[1:] or RUNS:
        RUNS[name](f"fcn-{name}")
