# %% [markdown]
# # DLVC ex 2, parts 5 and 6 (group 41)

# %% imports
import torch
import torchvision.transforms.v2 as v2
from pathlib import Path

from dlvc.models.segformer import SegFormer
from dlvc.models.segment_model import DeepSegmenter
from dlvc.dataset.cityscapes import CityscapesCustom
from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.metrics import SegMetrics
from dlvc.trainer import ImgSemSegTrainer
# from dlvc.trainer_reference_impl import ImgSemSegTrainer

# %% settings -- change here
# MODE = "scratch"
# MODE = "pretrain"
MODE = "finetune"
# MODE = "finetune_frozen"

LR = 0.001
# LR = 0.0005    # half, for the comparison in the report
EPOCHS = 31
BATCH = 64
if MODE == "pretrain":
    EPOCHS = 41
    BATCH = 16

OXFORD = r"E:\Uni\DLVC\data\oxford"
CITY = r"E:\Uni\DLVC\data\cityscapes_assg2\cityscapes_assg2"
PRETRAINED = r"E:\Uni\DLVC\ex2\saved_models\pretrain\SegFormer_model_last.pth"
# PRETRAINED = r"E:\Uni\DLVC\ex2\saved_models\pretrain\SegFormer_model_best.pth"

# %% data
tf = v2.Compose([v2.ToImage(),
                 v2.ToDtype(torch.float32, scale=True),
                 v2.Resize(size=(64,64), interpolation=v2.InterpolationMode.NEAREST),
                 v2.Normalize(mean=[0.485, 0.456,0.406], std=[0.229, 0.224, 0.225])])
tf_mask = v2.Compose([v2.ToImage(),
                      v2.ToDtype(torch.long, scale=False),
                      v2.Resize(size=(64,64), interpolation=v2.InterpolationMode.NEAREST)])

if MODE == "pretrain":
    train_data = CityscapesCustom(root=CITY, split="train", mode="fine", target_type='semantic',
                                  transform=tf, target_transform=tf_mask)
    val_data = CityscapesCustom(root=CITY, split="val", mode="fine", target_type='semantic',
                                transform=tf, target_transform=tf_mask)
    n_classes = 19
else:
    train_data = OxfordPetsCustom(root=OXFORD, split="trainval", target_types='segmentation',
                                  transform=tf, target_transform=tf_mask, download=True)
    val_data = OxfordPetsCustom(root=OXFORD, split="test", target_types='segmentation',
                                transform=tf, target_transform=tf_mask, download=True)
    n_classes = 3
print(MODE, len(train_data), len(val_data), n_classes)

# %% model
model = DeepSegmenter(SegFormer(num_classes=n_classes))

if MODE.startswith("finetune"):
    sd = torch.load(PRETRAINED, map_location="cpu")
    # print(sd.keys())
    sd = {k.replace("encoder.", "", 1): v for k, v in sd.items() if k.startswith("encoder.")}
    print(model.net.encoder.load_state_dict(sd))    # <All keys matched successfully>

if MODE == "finetune_frozen":
    model.net.encoder.requires_grad_(False)

model = model.cuda()

# %% optimizer
if MODE == "finetune_frozen":
    optimizer = torch.optim.AdamW(model.net.decoder.parameters(), lr=LR, amsgrad=True)
else:
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, amsgrad=True)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.98)
# scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=EPOCHS)

# loss_fn = torch.nn.CrossEntropyLoss()
loss_fn = torch.nn.CrossEntropyLoss(ignore_index=255)

# %% train
save_dir = Path("saved_models") / MODE
save_dir.mkdir(exist_ok=True)      # saved_models is there from train.py

trainer = ImgSemSegTrainer(model, optimizer, loss_fn, scheduler,
                           SegMetrics(train_data.classes_seg), SegMetrics(val_data.classes_seg),
                           train_data, val_data, "cuda", EPOCHS, save_dir,
                           batch_size=BATCH, val_frequency=2)
trainer.train()
trainer.dispose()

# %%
print("done")
