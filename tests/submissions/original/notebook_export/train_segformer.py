#!/usr/bin/env python
# coding: utf-8

# # DLVC Assignment 2, Parts 5 and 6: SegFormer
# Group 23 - exported from `part5_6_segformer.ipynb` (Colab, T4)

# In[1]:


# from google.colab import drive
# drive.mount('/content/drive')
# get_ipython().system('unzip -q "/content/drive/MyDrive/dlvc/cityscapes_assg2.zip" -d data')


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
from tqdm.auto import tqdm

from dlvc.dataset.cityscapes import CityscapesCustom
from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.metrics import SegMetrics
from dlvc.models.segformer import SegFormer
from dlvc.models.segment_model import DeepSegmenter

# get_ipython().run_line_magic('matplotlib', 'inline')
matplotlib.use("Agg")
device = "cuda" if torch.cuda.is_available() else "cpu"


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
# pets: 1, 2, 3 -> 0, 1, 2
pet_mask_tf = v2.Compose([mask_tf, lambda m: m - 1])


# In[5]:


pets_train = OxfordPetsCustom(root="data/oxford", split="trainval", target_types="segmentation",
                              transform=img_tf, target_transform=pet_mask_tf, download=True)
pets_val = OxfordPetsCustom(root="data/oxford", split="test", target_types="segmentation",
                            transform=img_tf, target_transform=pet_mask_tf, download=True)
city_train = CityscapesCustom(root="data/cityscapes_assg2", split="train", mode="fine", target_type="semantic",
                              transform=img_tf, target_transform=mask_tf)
city_val = CityscapesCustom(root="data/cityscapes_assg2", split="val", mode="fine", target_type="semantic",
                            transform=img_tf, target_transform=mask_tf)
print(len(pets_train), len(pets_val), len(city_train), len(city_val))


# In[6]:


print("pets", pets_train[0][1].unique())
print("city", city_train[0][1].unique())


# In[7]:


def run_epoch(model, dl, metric, loss_fn, opt=None):
    training = opt is not None
    model.train(training)
    metric.reset()
    total = 0
    seen = 0
    with torch.set_grad_enabled(training):
        for x, y in tqdm(dl, leave=False):
            x = x.to(device)
            y = y.squeeze(1).to(device)
            pred = model(x)
            loss = loss_fn(pred, y)
            if training:
                opt.zero_grad()
                loss.backward()
                opt.step()
            total += loss.item() * len(x)
            seen += len(x)
            metric.update(pred.detach().cpu(), y.cpu())
    return total / seen, metric.mIoU()


# In[8]:


os.makedirs("saved_models", exist_ok=True)


def fit(model, name, train_ds, val_ds, params=None, epochs=30, lr=1e-3, batch_size=64, val_every=2):
    train_dl = DataLoader(train_ds, batch_size=batch_size, shuffle=True, num_workers=2)
    val_dl = DataLoader(val_ds, batch_size=batch_size, shuffle=False, num_workers=2)
    model = model.to(device)
    loss_fn = nn.CrossEntropyLoss(ignore_index=255)
    opt = torch.optim.Adam(params if params is not None else model.parameters(), lr=lr)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=epochs)
    metric = SegMetrics(classes=train_ds.classes_seg)

    hist = {"train_loss": [], "train_miou": [], "val_loss": [], "val_miou": [], "val_epochs": []}
    best = -1
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


# ## Part 5: from scratch

# In[9]:


model = DeepSegmenter(SegFormer(num_classes=3))
hist_scratch = fit(model, "segformer_scratch", pets_train, pets_val)


# ## Part 6: pre-training on Cityscapes

# In[10]:


model = DeepSegmenter(SegFormer(num_classes=19))
hist_city = fit(model, "segformer_city", city_train, city_val, epochs=40, batch_size=16)


# In[11]:


saved = torch.load("saved_models/segformer_city_last.pth", map_location="cpu")
list(saved.keys())[:3]
# -> ['net.encoder.patch_embed1.proj.weight', 'net.encoder.patch_embed1.proj.bias', ...]


# In[12]:


def make_pretrained():
    prefix = "net.encoder."
    encoder_weights = {k[len(prefix):]: v for k, v in saved.items() if k.startswith(prefix)}
    model = DeepSegmenter(SegFormer(num_classes=3))
    print(model.net.encoder.load_state_dict(encoder_weights))
    return model


# ### a) encoder as initialization

# In[13]:


model = make_pretrained()
hist_a = fit(model, "segformer_finetune_a", pets_train, pets_val)


# ### a) again, lower learning rate

# In[14]:


model = make_pretrained()
hist_a_low = fit(model, "segformer_finetune_a_lowlr", pets_train, pets_val, lr=5e-4)


# ### b) frozen encoder

# In[15]:


model = make_pretrained()
model.net.encoder.requires_grad_(False)
hist_b = fit(model, "segformer_finetune_b", pets_train, pets_val, params=model.net.decoder.parameters())


# ## Plots

# In[16]:


fig, ax = plt.subplots(1, 2, figsize=(12, 4))
for hist, label in [(hist_scratch, "scratch"), (hist_a, "a"), (hist_a_low, "a, half lr"), (hist_b, "b")]:
    ax[0].plot(hist["val_epochs"], hist["val_loss"], label=label)
    ax[1].plot(hist["val_epochs"], hist["val_miou"], label=label)
ax[0].set_title("val loss")
ax[1].set_title("val mIoU")
ax[0].legend()
ax[1].legend()
plt.savefig("segformer.png", dpi=150)
plt.show()


# ## Predicted masks

# In[17]:


model = DeepSegmenter(SegFormer(num_classes=3))
model.load_state_dict(torch.load("saved_models/segformer_finetune_a_best.pth", map_location="cpu"))
model.to(device).eval()

n = min(4, len(pets_val))
fig, ax = plt.subplots(3, n, figsize=(3 * n, 9), squeeze=False)
for i in range(n):
    x, y = pets_val[i]
    with torch.no_grad():
        pred = model(x[None].to(device)).argmax(1)[0].cpu()
    ax[0, i].imshow((x.permute(1, 2, 0) * torch.tensor(std) + torch.tensor(mean)).clip(0, 1))
    ax[1, i].imshow(y[0], vmin=0, vmax=2)
    ax[2, i].imshow(pred, vmin=0, vmax=2)
plt.savefig("masks.png", dpi=150)
plt.show()


# In[ ]:




