"""
Part 4:  python train.py scratch     or     python train.py imagenet
"""
import sys

from torchvision.models import ResNet50_Weights
from torchvision.models.segmentation import fcn_resnet50

import config
from common import fit, oxford
from dlvc.models.segment_model import DeepSegmenter


def main(init="scratch"):
    if init not in ("scratch", "imagenet"):
        sys.exit(__doc__)
    backbone_weights = ResNet50_Weights.IMAGENET1K_V2 if init == "imagenet" else None
    data = oxford()
    net = fcn_resnet50(weights=None, weights_backbone=backbone_weights, num_classes=len(data[0].classes_seg))
    model = DeepSegmenter(net)
    fit(model, model.parameters(), data, config.FCN, "fcn_" + init)


if __name__ == "__main__":
    main(*sys.argv[1:])
