import os
import sys

import torch

from dlvc.common import image_transform, mask_transform, pick_device
from dlvc.dataset.cityscapes import CityscapesCustom
from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.metrics import SegMetrics
from dlvc.models.segformer import SegFormer
from dlvc.models.segment_model import DeepSegmenter
from dlvc.trainer import ImgSemSegTrainer

USAGE = """usage: train_segformer.py COMMAND [key=value ...]
commands:
  scratch    Part 5
  city       Part 6, pre-training on Cityscapes, writes the file encoder=...
  tune       Part 6 a, starts with the file encoder=...
  freeze     Part 6 b, the same with a frozen encoder
keys: epochs batch lr gpu pets city encoder out
"""

if len(sys.argv) < 2 or sys.argv[1] not in ("scratch", "city", "tune", "freeze"):
    print(USAGE, file=sys.stderr)
    sys.exit(2)
COMMAND = sys.argv[1]

# all values are strings, as in a shell
S = {
    "epochs": "40" if COMMAND == "city" else "30",
    "batch": "16" if COMMAND == "city" else "64",
    "lr": "0.001",
    "gpu": "0",
    "pets": "/home/stefan/dlvc/data",
    "city": "/home/stefan/dlvc/data/cityscapes_assg2",
    "encoder": "out/encoder_city.pth",
    "out": f"out/segformer_{COMMAND}",
}
for arg in sys.argv[2:]:
    key, eq, value = arg.partition("=")
    if not eq or key not in S:
        print(f"train_segformer.py: do not understand {arg}", file=sys.stderr)
        print(USAGE, file=sys.stderr)
        sys.exit(2)
    S[key] = value

EPOCHS = int(S["epochs"])
device = pick_device(int(S["gpu"]))
os.makedirs(S["out"], exist_ok=True)

if COMMAND == "city":
    train_data = CityscapesCustom(root=S["city"], split="train", mode="fine", target_type="semantic",
                                  transform=image_transform, target_transform=mask_transform)
    test_data = CityscapesCustom(root=S["city"], split="val", mode="fine", target_type="semantic",
                                 transform=image_transform, target_transform=mask_transform)
    loss_fn = torch.nn.CrossEntropyLoss(ignore_index=255)
    shift = 0
else:
    train_data = OxfordPetsCustom(root=S["pets"], split="trainval", target_types="segmentation",
                                  transform=image_transform, target_transform=mask_transform, download=True)
    test_data = OxfordPetsCustom(root=S["pets"], split="test", target_types="segmentation",
                                 transform=image_transform, target_transform=mask_transform, download=True)
    loss_fn = torch.nn.CrossEntropyLoss()
    shift = 1

model = DeepSegmenter(SegFormer(num_classes=len(train_data.classes_seg)))
if COMMAND in ("tune", "freeze"):
    model.net.encoder.load_state_dict(torch.load(S["encoder"], map_location="cpu"))
if COMMAND == "freeze":
    for p in model.net.encoder.parameters():
        p.requires_grad = False
model.to(device)

optimizer = torch.optim.AdamW(filter(lambda p: p.requires_grad, model.parameters()), lr=float(S["lr"]))
scheduler = torch.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=EPOCHS, power=0.9)

ImgSemSegTrainer(model, optimizer, loss_fn, scheduler,
                 SegMetrics(train_data.classes_seg), SegMetrics(test_data.classes_seg),
                 train_data, test_data, device, EPOCHS, S["out"],
                 batch_size=int(S["batch"]), val_frequency=2, shift=shift).train()

if COMMAND == "city":
    # that is all we need for tune and freeze
    os.makedirs(os.path.dirname(S["encoder"]) or ".", exist_ok=True)
    torch.save(model.net.encoder.state_dict(), S["encoder"])
