import os
import sys

import torch
from torchvision.models.segmentation import fcn_resnet50

from dlvc.common import image_transform, mask_transform, pick_device
from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.metrics import SegMetrics
from dlvc.models.segment_model import DeepSegmenter
from dlvc.trainer import ImgSemSegTrainer

USAGE = """usage: train.py [-p] [-e EPOCHS] [-b BATCH] [-l LR] [-g GPU] [-r ROOT] [-o OUTDIR]
  -p   pretrained: ImageNet weights in the backbone (default: from scratch)
  -g   number of the GPU, -1 for the CPU
"""

PRETRAINED = False
EPOCHS = 30
BATCH = 64
LR = 0.001
GPU = 0
DATA = "/home/stefan/dlvc/data"
OUT = None

argv = sys.argv[1:]
while argv:
    opt = argv.pop(0)
    if opt == "-p":
        PRETRAINED = True
    elif opt == "-e":
        EPOCHS = int(argv.pop(0))
    elif opt == "-b":
        BATCH = int(argv.pop(0))
    elif opt == "-l":
        LR = float(argv.pop(0))
    elif opt == "-g":
        GPU = int(argv.pop(0))
    elif opt == "-r":
        DATA = argv.pop(0)
    elif opt == "-o":
        OUT = argv.pop(0)
    elif opt in ("-h", "--help"):
        print(USAGE)
        sys.exit(0)
    else:
        print(f"train.py: unknown option {opt}", file=sys.stderr)
        print(USAGE, file=sys.stderr)
        sys.exit(2)

if OUT is None:
    OUT = "out/fcn_pretrained" if PRETRAINED else "out/fcn_scratch"
os.makedirs(OUT, exist_ok=True)

train_data = OxfordPetsCustom(root=DATA, split="trainval", target_types="segmentation", transform=image_transform,
                              target_transform=mask_transform, download=True)
test_data = OxfordPetsCustom(root=DATA, split="test", target_types="segmentation", transform=image_transform,
                             target_transform=mask_transform, download=True)

device = pick_device(GPU)
model = DeepSegmenter(fcn_resnet50(weights=None,
                                   weights_backbone="IMAGENET1K_V1" if PRETRAINED else None,
                                   num_classes=3)).to(device)

optimizer = torch.optim.SGD(model.parameters(), lr=LR * 10, momentum=0.9, weight_decay=1e-4)
scheduler = torch.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=EPOCHS, power=0.9)

ImgSemSegTrainer(model, optimizer, torch.nn.CrossEntropyLoss(), scheduler,
                 SegMetrics(train_data.classes_seg), SegMetrics(test_data.classes_seg),
                 train_data, test_data, device, EPOCHS, OUT,
                 batch_size=BATCH, val_frequency=2, shift=1).train()
