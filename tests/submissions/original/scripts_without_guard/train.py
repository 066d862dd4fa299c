import os
from pathlib import Path
import torch
import torch.nn as nn
import torchvision.transforms.v2 as v2
from torchvision.models.segmentation import fcn_resnet50
from torchvision.models import ResNet50_Weights
from dlvc.models.segment_model import DeepSegmenter
from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.metrics import SegMetrics
from dlvc.trainer import ImgSemSegTrainer

# ---------------- settings ----------------
PRETRAINED=False      # True for the second curve in the report
EPOCHS=31
BS=64
LR=1e-3
device="cuda:0"
ROOT="/kaggle/input/oxford-iiit-pet-dlvc"
# ------------------------------------------

tf=v2.Compose([v2.ToImage(),v2.ToDtype(torch.float32,scale=True),
               v2.Resize((64,64),interpolation=v2.InterpolationMode.NEAREST),
               v2.Normalize(mean=[0.485,0.456,0.406],std=[0.229,0.224,0.225])])
tf_mask=v2.Compose([v2.ToImage(),v2.ToDtype(torch.long,scale=False),
                    v2.Resize((64,64),interpolation=v2.InterpolationMode.NEAREST)])
train_data=OxfordPetsCustom(ROOT,"trainval","segmentation",tf,tf_mask,True)
val_data=OxfordPetsCustom(ROOT,"test","segmentation",tf,tf_mask,True)
print(len(train_data),len(val_data))

model=DeepSegmenter(fcn_resnet50(weights=None,num_classes=3,
                                 weights_backbone=ResNet50_Weights.DEFAULT if PRETRAINED else None)).to(device)
optimizer=torch.optim.AdamW(model.parameters(),lr=LR,amsgrad=True)
scheduler=torch.optim.lr_scheduler.ExponentialLR(optimizer,gamma=0.98)

save_dir=Path("saved_models")
save_dir.mkdir(exist_ok=True)
save_dir=save_dir/("fcn_pretrained" if PRETRAINED else "fcn")
save_dir.mkdir(exist_ok=True)

trainer=ImgSemSegTrainer(model,optimizer,nn.CrossEntropyLoss(),scheduler,
                         SegMetrics(train_data.classes_seg),SegMetrics(val_data.classes_seg),
                         train_data,val_data,device,EPOCHS,save_dir,BS,2)
trainer.train()
trainer.dispose()
