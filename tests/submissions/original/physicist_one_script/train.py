#!/usr/bin/env python3
# ---------------------------------------------------------------------------
#  DLVC assignment 2 -- complete numerical experiment, all runs in one file
#
#     A   FCN-ResNet50, random initial condition
#     B   FCN-ResNet50, backbone prepared with ImageNet weights
#     C   SegFormer on the pets, random initial condition
#     D   SegFormer on the street scenes (pre-training)
#     E   SegFormer on the pets, encoder from D, everything evolves
#     F   SegFormer on the pets, encoder from D held fixed
#
#  just: python train.py      (about 5 h on an RTX 3080)
#  A run that is finished can be switched off in RUNS below.
# ---------------------------------------------------------------------------
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch.utils.data import DataLoader
from torchvision.models import ResNet50_Weights
from torchvision.models.segmentation import fcn_resnet50

from dlvc.dataset.cityscapes import CityscapesCustom
from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.metrics import SegMetrics
from dlvc.models.segformer import SegFormer

RUNS = "ABCDEF"

# ----- constants ------------------------------------------------------------
L = 64                                     # edge length of the images in px
N_EPOCHS = 30
N_EPOCHS_CITY = 40
BATCH = 64
BATCH_CITY = 16
MEASURE_EVERY = 2                          # epochs between two validations
ETA_0 = 1e-3                               # learning rate at t = 0
ETA_FINE = 5e-4
TAU = 50.0                                 # eta(t) = eta_0 exp(-t / tau)
MU = np.array([0.485, 0.456, 0.406], dtype=np.float32)
SIGMA = np.array([0.229, 0.224, 0.225], dtype=np.float32)
VOID = 255

PETS = "/home/mkofler/uni/dlvc/data/pets"
CITY = "/home/mkofler/uni/dlvc/data/cityscapes_assg2"
OUT = Path("results")
OUT.mkdir(parents=True, exist_ok=True)

torch.manual_seed(137)
dev = torch.device("cuda" if torch.cuda.is_available() else "cpu")
print("running on", dev)


# ----- from picture to phase space -----------------------------------------
def picture(im):
    '''PIL -> (3, L, L) float32, zero mean and unit variance (in the sense of ImageNet)'''
    x = np.asarray(im.resize((L, L), Image.BILINEAR), dtype=np.float32) / 255.0
    x = (x - MU) / SIGMA
    return torch.from_numpy(np.ascontiguousarray(x.transpose(2, 0, 1)))


def pet_mask(im):
    '''labels 1 2 3 -> 0 1 2, no interpolation between labels!'''
    y = np.array(im.resize((L, L), Image.NEAREST), dtype=np.int64)
    return torch.from_numpy(y - 1)


def city_mask(im):
    y = np.array(im.resize((L, L), Image.NEAREST), dtype=np.int64)
    return torch.from_numpy(y)


# ----- one run ----------------------------------------------------------------
def scores(net, x):
    z = net(x)
    return z["out"] if isinstance(z, dict) else z


def entropy(z, y):
    '''S = - < log p_true >, pixels without label do not contribute'''
    return F.nll_loss(F.log_softmax(z, dim=1), y, ignore_index=VOID)


def evolve(tag, net, params, train_set, val_set, n_epochs, batch, eta):
    '''
    Trains net and writes results/<tag>.dat with the columns
    epoch, train loss, train mIoU, val loss, val mIoU (nan where nothing was measured)
    '''
    net.to(dev)
    dl_train = DataLoader(train_set, batch_size=batch, shuffle=True, num_workers=2)
    dl_val = DataLoader(val_set, batch_size=batch, shuffle=False, num_workers=2)

    opt = torch.optim.AdamW(params, lr=eta, amsgrad=True)
    sched = torch.optim.lr_scheduler.LambdaLR(opt, lambda t: math.exp(-t / TAU))

    m_train = SegMetrics(classes=train_set.classes_seg)
    m_val = SegMetrics(classes=val_set.classes_seg)

    table = []
    best = -1.0
    for t in range(n_epochs):
        t_wall = time.time()

        net.train()
        m_train.reset()
        s, n = 0.0, 0
        for x, y in dl_train:
            x, y = x.to(dev), y.to(dev)
            z = scores(net, x)
            S = entropy(z, y)
            opt.zero_grad()
            S.backward()
            opt.step()
            s += S.item() * len(x)
            n += len(x)
            m_train.update(z.detach().cpu(), y.cpu())
        sched.step()
        row = [t, s / n, m_train.mIoU(), math.nan, math.nan]

        if t % MEASURE_EVERY == 0 or t == n_epochs - 1:
            net.eval()
            m_val.reset()
            s, n = 0.0, 0
            with torch.no_grad():
                for x, y in dl_val:
                    x, y = x.to(dev), y.to(dev)
                    z = scores(net, x)
                    s += entropy(z, y).item() * len(x)
                    n += len(x)
                    m_val.update(z.cpu(), y.cpu())
            row[3], row[4] = s / n, m_val.mIoU()
            if row[4] > best:
                best = row[4]
                torch.save(net.state_dict(), OUT / f"{tag}_best.pt")

        table.append(row)
        np.savetxt(OUT / f"{tag}.dat", np.array(table), fmt="%.6g",
                   header="epoch train_S train_mIoU val_S val_mIoU")
        print(f"[{tag}] t={t:3d}  S={row[1]:.4f} mIoU={row[2]:.4f}  |  "
              f"S={row[3]:.4f} mIoU={row[4]:.4f}  ({time.time() - t_wall:.1f} s)")

    torch.save(net.state_dict(), OUT / f"{tag}_end.pt")
    print(f"[{tag}] done, best validation mIoU {best:.4f}\n")


# ----- data ---------------------------------------------------------------------
pets_train = OxfordPetsCustom(root=PETS, split="trainval", target_types="segmentation",
                              transform=picture, target_transform=pet_mask, download=True)
pets_val = OxfordPetsCustom(root=PETS, split="test", target_types="segmentation",
                            transform=picture, target_transform=pet_mask, download=True)

# ----- A: FCN, T = infinity -----------------------------------------------------
if "A" in RUNS:
    net = fcn_resnet50(weights=None, weights_backbone=None, num_classes=3)
    evolve("A_fcn_random", net, net.parameters(), pets_train, pets_val, N_EPOCHS, BATCH, ETA_0)

# ----- B: FCN, prepared backbone ------------------------------------------------
if "B" in RUNS:
    net = fcn_resnet50(weights=None, weights_backbone=ResNet50_Weights.IMAGENET1K_V1, num_classes=3)
    evolve("B_fcn_imagenet", net, net.parameters(), pets_train, pets_val, N_EPOCHS, BATCH, ETA_0)

# ----- C: SegFormer from nothing ------------------------------------------------
if "C" in RUNS:
    net = SegFormer(num_classes=3)
    evolve("C_segformer_random", net, net.parameters(), pets_train, pets_val, N_EPOCHS, BATCH, ETA_0)

# ----- D: pre-training ----------------------------------------------------------
if "D" in RUNS:
    city_train = CityscapesCustom(root=CITY, split="train", mode="fine", target_type="semantic",
                                  transform=picture, target_transform=city_mask)
    city_val = CityscapesCustom(root=CITY, split="val", mode="fine", target_type="semantic",
                                transform=picture, target_transform=city_mask)
    net = SegFormer(num_classes=len(city_train.classes_seg))
    evolve("D_segformer_city", net, net.parameters(), city_train, city_val, N_EPOCHS_CITY, BATCH_CITY, ETA_0)

# ----- E, F: transfer -----------------------------------------------------------
for run in "EF":
    if run not in RUNS:
        continue

    net = SegFormer(num_classes=3)
    # the head has other dimensions (19 -> 3), so only the encoder is taken over
    state = torch.load(OUT / "D_segformer_city_end.pt", map_location="cpu")
    encoder_state = {}
    for name, value in state.items():
        part, rest = name.split(".", 1)
        if part == "encoder":
            encoder_state[rest] = value
    net.encoder.load_state_dict(encoder_state)

    if run == "E":
        evolve("E_finetune_all", net, net.parameters(), pets_train, pets_val, N_EPOCHS, BATCH, ETA_FINE)
    else:
        net.encoder.requires_grad_(False)
        evolve("F_finetune_decoder", net, net.decoder.parameters(), pets_train, pets_val, N_EPOCHS, BATCH,
               ETA_FINE)

print("all done")
