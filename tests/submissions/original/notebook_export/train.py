#!/usr/bin/env python
# coding: utf-8

# # DLVC Assignment 2, Part 4: FCN
# Group 23 - exported from `part4_fcn.ipynb` (Colab, T4)

# In[1]:


# get_ipython().system('pip install tqdm')
# from google.colab import drive
# drive.mount('/content/drive')


# In[2]:


import os
import sys

ROOT = "/content/drive/MyDrive/dlvc/assignment_2"
if os.path.isdir(ROOT):
    sys.path.append(ROOT)
    os.chdir(ROOT)


# In[3]:


import matplotlib
import matplotlib.pyplot as plt
import torch
import torch.nn as nn
import torchvision.transforms.v2 as v2
from torch.utils.data import DataLoader
from torchvision.models import ResNet50_Weights
from torchvision.models.segmentation import fcn_resnet50
from tqdm.auto import tqdm

from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.metrics import SegMetrics

# get_ipython().run_line_magic('matplotlib', 'inline')
matplotlib.use("Agg")
device = "cuda" if torch.cuda.is_available() else "cpu"
device


# ## Data

# In[4]:


mean = [0.485, 0.456, 0.406]
std = [0.229, 0.224, 0.225]

img_tf = v2.Compose([
    v2.ToImage(),
    v2.ToDtype(torch.float32, scale=True),
    v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST),
    v2.Normalize(mean=mean, std=std),
])
mask_tf = v2.Compose([
    v2.ToImage(),
    v2.ToDtype(torch.long, scale=False),
    v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST),
])

train_ds = OxfordPetsCustom(root="data/oxford", split="trainval", target_types="segmentation",
                            transform=img_tf, target_transform=mask_tf, download=True)
val_ds = OxfordPetsCustom(root="data/oxford", split="test", target_types="segmentation",
                          transform=img_tf, target_transform=mask_tf, download=True)
len(train_ds), len(val_ds)


# In[5]:


train_dl = DataLoader(train_ds, batch_size=64, shuffle=True, num_workers=2)
val_dl = DataLoader(val_ds, batch_size=64, shuffle=False, num_workers=2)


# In[6]:


x, y = train_ds[0]
print(x.shape, x.min(), x.max())
print(y.shape, y.unique())


# In[7]:


fig, ax = plt.subplots(1, 2)
ax[0].imshow((x.permute(1, 2, 0) * torch.tensor(std) + torch.tensor(mean)).clip(0, 1))
ax[1].imshow(y[0])
plt.show()


# ## Training loop

# In[8]:


def run_epoch(model, dl, metric, loss_fn, opt=None):
    training = opt is not None
    model.train(training)
    metric.reset()
    total = 0
    seen = 0
    with torch.set_grad_enabled(training):
        for x, y in tqdm(dl, leave=False):
            x = x.to(device)
            y = (y.squeeze(1) - 1).to(device)   # labels are 1, 2, 3
            pred = model(x)["out"]
            loss = loss_fn(pred, y)
            if training:
                opt.zero_grad()
                loss.backward()
                opt.step()
            total += loss.item() * len(x)
            seen += len(x)
            metric.update(pred.detach().cpu(), y.cpu())
    return total / seen, metric.mIoU()


# In[9]:


def fit(model, name, epochs=30, lr=1e-3, val_every=2):
    model = model.to(device)
    loss_fn = nn.CrossEntropyLoss()
    opt = torch.optim.Adam(model.parameters(), lr=lr)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=epochs)
    metric = SegMetrics(classes=train_ds.classes_seg)

    hist = {"train_loss": [], "train_miou": [], "val_loss": [], "val_miou": [], "val_epochs": []}
    best = -1
    os.makedirs("saved_models", exist_ok=True)
    for epoch in range(epochs):
        loss, miou = run_epoch(model, train_dl, metric, loss_fn, opt)
        sched.step()
        hist["train_loss"].append(loss)
        hist["train_miou"].append(miou)
        msg = f"{name} {epoch + 1}/{epochs}: loss {loss:.4f} mIoU {miou:.4f}"
        if epoch % val_every == 0 or epoch == epochs - 1:
            loss, miou = run_epoch(model, val_dl, metric, loss_fn)
            hist["val_loss"].append(loss)
            hist["val_miou"].append(miou)
            hist["val_epochs"].append(epoch)
            msg += f" | val loss {loss:.4f} mIoU {miou:.4f}"
            if miou > best:
                best = miou
                torch.save(model.state_dict(), f"saved_models/{name}_best.pth")
        print(msg)
    torch.save(model.state_dict(), f"saved_models/{name}_last.pth")
    return hist


# ## Experiment 1: from scratch

# In[10]:


model = fcn_resnet50(weights=None, weights_backbone=None, num_classes=3)
hist_scratch = fit(model, "fcn_scratch")


# ## Experiment 2: ImageNet weights in the encoder

# In[11]:


model = fcn_resnet50(weights=None, weights_backbone=ResNet50_Weights.DEFAULT, num_classes=3)
hist_pre = fit(model, "fcn_pretrained")


# ## Plots for the report

# In[12]:


fig, ax = plt.subplots(1, 2, figsize=(12, 4))
for hist, label in [(hist_scratch, "scratch"), (hist_pre, "pretrained")]:
    ax[0].plot(hist["train_loss"], label=f"{label} train")
    ax[0].plot(hist["val_epochs"], hist["val_loss"], "--", label=f"{label} val")
    ax[1].plot(hist["train_miou"], label=f"{label} train")
    ax[1].plot(hist["val_epochs"], hist["val_miou"], "--", label=f"{label} val")
ax[0].set_title("loss")
ax[1].set_title("mIoU")
ax[0].legend()
ax[1].legend()
plt.savefig("fcn.png", dpi=150)
plt.show()


# In[ ]:




