#!/usr/bin/env python
# coding: utf-8

# # Assignment 2, part 4: FCN
# (exported from fcn.ipynb)

# In[1]:


# %load_ext autoreload
# %autoreload 2
from pathlib import Path

import matplotlib
matplotlib.use('Agg')   # only needed outside of jupyter
import matplotlib.pyplot as plt
import torch
import torchvision.transforms.v2 as v2
from torchvision.models.segmentation import fcn_resnet50

from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.metrics import SegMetrics
from dlvc.models.segment_model import DeepSegmenter
from dlvc.trainer import ImgSemSegTrainer


# In[2]:


DATA_DIR = "/content/drive/MyDrive/dlvc/oxford_pets"
NUM_EPOCHS = 31
BATCH_SIZE = 64
PRETRAINED = False   # run the notebook once with False and once with True

device = "cuda" if torch.cuda.is_available() else "cpu"
device


# In[3]:


img_tf = v2.Compose([
    v2.ToImage(),
    v2.ToDtype(torch.float32, scale=True),
    v2.Resize((64, 64)),
    v2.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
])
mask_tf = v2.Compose([
    v2.ToImage(),
    v2.ToDtype(torch.long, scale=False),
    v2.Resize((64, 64)),
])

train_data = OxfordPetsCustom(DATA_DIR, split="trainval", transform=img_tf, target_transform=mask_tf, download=True)
val_data = OxfordPetsCustom(DATA_DIR, split="test", transform=img_tf, target_transform=mask_tf, download=True)
print(len(train_data), len(val_data))


# In[4]:


img, mask = train_data[0]
print(img.shape, img.min(), img.max(), mask.shape, mask.unique())


# In[5]:


net = fcn_resnet50(weights=None,
                   weights_backbone="ResNet50_Weights.IMAGENET1K_V1" if PRETRAINED else None,
                   num_classes=3)
model = DeepSegmenter(net).to(device)
print(sum(p.numel() for p in model.parameters()) / 1e6, "M parameters")


# In[6]:


save_dir = Path("models") / ("fcn_pretrained" if PRETRAINED else "fcn_scratch")
save_dir.mkdir(parents=True, exist_ok=True)

optimizer = torch.optim.AdamW(model.parameters(), lr=0.001, amsgrad=True)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.98)

trainer = ImgSemSegTrainer(model, optimizer, torch.nn.CrossEntropyLoss(), scheduler,
                           SegMetrics(train_data.classes_seg), SegMetrics(val_data.classes_seg),
                           train_data, val_data, device, NUM_EPOCHS, save_dir,
                           batch_size=BATCH_SIZE, val_frequency=2)
trainer.train()


# In[7]:


for what in ["loss", "mIoU"]:
    plt.figure()
    plt.plot([log["train_" + what] for log in trainer.logs], label="train")
    epochs = [i for i, log in enumerate(trainer.logs) if "val_" + what in log]
    plt.plot(epochs, [trainer.logs[i]["val_" + what] for i in epochs], label="validation")
    plt.xlabel("epoch")
    plt.ylabel(what)
    plt.legend()
    plt.savefig(save_dir / f"{what}.png")
