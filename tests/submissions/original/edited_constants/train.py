# %% [markdown]
# # DLVC ex 2, part 4 (group 41)

# %% imports
import torch
import torchvision.transforms.v2 as v2
from torchvision.models.segmentation import fcn_resnet50, FCN_ResNet50_Weights
from torchvision.models import ResNet50_Weights
from pathlib import Path

from dlvc.models.segment_model import DeepSegmenter
from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.metrics import SegMetrics
from dlvc.trainer import ImgSemSegTrainer
# from dlvc.trainer_reference_impl import ImgSemSegTrainer

# %% settings -- change here
MODE = "pretrained"
# MODE = "scratch"
ROOT = r"E:\Uni\DLVC\data\oxford"
# ROOT = r"C:\Users\Matthias\Downloads\oxford"
EPOCHS = 31
# EPOCHS = 2
BATCH = 64
LR = 0.001

# %% data
tf = v2.Compose([v2.ToImage(),
                 v2.ToDtype(torch.float32, scale=True),
                 v2.Resize(size=(64,64), interpolation=v2.InterpolationMode.NEAREST),
                 v2.Normalize(mean=[0.485, 0.456,0.406], std=[0.229, 0.224, 0.225])])
tf_mask = v2.Compose([v2.ToImage(),
                      v2.ToDtype(torch.long, scale=False),
                      v2.Resize(size=(64,64), interpolation=v2.InterpolationMode.NEAREST)])

train_data = OxfordPetsCustom(root=ROOT, split="trainval", target_types='segmentation',
                              transform=tf, target_transform=tf_mask, download=True)
val_data = OxfordPetsCustom(root=ROOT, split="test", target_types='segmentation',
                            transform=tf, target_transform=tf_mask, download=True)
print(len(train_data), len(val_data))
# print(train_data[0][1].unique())   # 1 2 3 !!

# %% model
if MODE == "scratch":
    net = fcn_resnet50(weights=None, weights_backbone=None, num_classes=3)
elif MODE == "pretrained":
    net = fcn_resnet50(weights=None, weights_backbone=ResNet50_Weights.IMAGENET1K_V1, num_classes=3)
# net = fcn_resnet50(weights=FCN_ResNet50_Weights.DEFAULT)   # 21 classes, does not work
model = DeepSegmenter(net).cuda()

# %% optimizer
optimizer = torch.optim.AdamW(model.parameters(), lr=LR, amsgrad=True)
# optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.98)
loss_fn = torch.nn.CrossEntropyLoss()

# %% train
save_dir = Path("saved_models")
# save_dir = Path(r"E:\Uni\DLVC\ex2\saved_models")
save_dir.mkdir(exist_ok=True)

trainer = ImgSemSegTrainer(model, optimizer, loss_fn, scheduler,
                           SegMetrics(train_data.classes_seg), SegMetrics(val_data.classes_seg),
                           train_data, val_data, "cuda", EPOCHS, save_dir,
                           batch_size=BATCH, val_frequency=2)
trainer.train()
trainer.dispose()

# %%
print("done")
