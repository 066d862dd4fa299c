#!/usr/bin/env python
# coding: utf-8

# # Assignment 2, parts 5 and 6: SegFormer
# (exported from segformer.ipynb)

# In[1]:


from collections import namedtuple
from pathlib import Path

import torch
import torchvision.transforms.v2 as v2

from dlvc.dataset.cityscapes import CityscapesCustom
from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.metrics import SegMetrics
from dlvc.models.segformer import SegFormer
from dlvc.models.segment_model import DeepSegmenter
from dlvc.trainer import ImgSemSegTrainer

PETS_DIR = "/content/drive/MyDrive/dlvc/oxford_pets"
CITY_DIR = "/content/drive/MyDrive/dlvc/cityscapes_assg2"
MODELS = Path("models")

device = "cuda" if torch.cuda.is_available() else "cpu"

# which parts of the notebook to run
RUN_SCRATCH = True
RUN_CITY = True
RUN_FINETUNE_A = True
RUN_FINETUNE_B = True


# In[2]:


def void_to_class(mask):
    # 255 is no valid index for the loss -> class 19 = "everything else"
    mask[mask == 255] = 19
    return mask


nearest = v2.InterpolationMode.NEAREST
img_tf = v2.Compose([
    v2.ToImage(),
    v2.ToDtype(torch.float32, scale=True),
    v2.Resize((64, 64), interpolation=nearest),
    v2.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
])
mask_tf = v2.Compose([
    v2.ToImage(),
    v2.ToDtype(torch.long, scale=False),
    v2.Resize((64, 64), interpolation=nearest),
])
city_mask_tf = v2.Compose([mask_tf, void_to_class])

pets_train = OxfordPetsCustom(PETS_DIR, split="trainval", transform=img_tf, target_transform=mask_tf, download=True)
pets_val = OxfordPetsCustom(PETS_DIR, split="test", transform=img_tf, target_transform=mask_tf, download=True)
city_train = CityscapesCustom(CITY_DIR, split="train", transform=img_tf, target_transform=city_mask_tf)
city_val = CityscapesCustom(CITY_DIR, split="val", transform=img_tf, target_transform=city_mask_tf)

Void = namedtuple("Void", "name")
pet_classes = pets_train.classes_seg
city_classes = list(city_train.classes_seg) + [Void("everything else")]
print(len(pet_classes), len(city_classes))


# In[3]:


def fit(name, model, train_data, val_data, classes, lr=1e-3, epochs=31, batch_size=64):
    print("#" * 10, name)
    model.to(device)
    optimizer = torch.optim.AdamW(filter(lambda p: p.requires_grad, model.parameters()), lr=lr, amsgrad=True)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.98)
    save_dir = MODELS / name
    save_dir.mkdir(parents=True, exist_ok=True)
    trainer = ImgSemSegTrainer(model, optimizer, torch.nn.CrossEntropyLoss(), scheduler,
                               SegMetrics(classes), SegMetrics(classes), train_data, val_data,
                               device, epochs, save_dir, batch_size=batch_size, val_frequency=2)
    trainer.train()
    return trainer.logs


def load_encoder(model):
    state = torch.load(next((MODELS / "segformer_city").glob("*last.pth")), map_location=device)
    encoder = {k: v for k, v in state.items() if k.startswith("encoder")}
    result = model.net.load_state_dict(encoder, strict=False)
    # only decoder keys may be missing
    print({k.split(".")[0] for k in result.missing_keys}, result.unexpected_keys)


logs = {}


# ## Part 5: from scratch

# In[4]:


if RUN_SCRATCH:
    model = DeepSegmenter(SegFormer(num_classes=len(pet_classes)))
    logs["scratch"] = fit("segformer_scratch", model, pets_train, pets_val, pet_classes)


# ## Part 6, step 1: Cityscapes

# In[5]:


if RUN_CITY:
    model = DeepSegmenter(SegFormer(num_classes=len(city_classes)))
    logs["city"] = fit("segformer_city", model, city_train, city_val, city_classes, epochs=40, batch_size=16)


# ## Part 6, step 2a: all parameters

# In[6]:


if RUN_FINETUNE_A:
    model = DeepSegmenter(SegFormer(num_classes=len(pet_classes)))
    load_encoder(model)
    logs["finetune a"] = fit("segformer_finetune_a", model, pets_train, pets_val, pet_classes)


# ## Part 6, step 2b: frozen encoder

# In[7]:


if RUN_FINETUNE_B:
    model = DeepSegmenter(SegFormer(num_classes=len(pet_classes)))
    load_encoder(model)
    for param in model.net.encoder.parameters():
        param.require_grad = False
    logs["finetune b"] = fit("segformer_finetune_b", model, pets_train, pets_val, pet_classes)


# In[8]:


for name, log in logs.items():
    print(name, "best validation mIoU", max(entry["val_mIoU"] for entry in log if "val_mIoU" in entry))
