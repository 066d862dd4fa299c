from pathlib import Path
import torch
import torch.nn as nn
import torchvision.transforms.v2 as v2
from dlvc.models.segformer import SegFormer
from dlvc.models.segment_model import DeepSegmenter
from dlvc.dataset.cityscapes import CityscapesCustom
from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.metrics import SegMetrics
from dlvc.trainer import ImgSemSegTrainer

# ---------------- settings ----------------
PHASE="finetune"      # "scratch" | "pretrain" | "finetune"
FREEZE=True           # only for finetune: True = option b, False = option a
EPOCHS=31 if PHASE!="pretrain" else 40
BS=64 if PHASE!="pretrain" else 16
LR=1e-3               # we also tried 5e-4 with FREEZE=False, see report
device="cuda:0"
PETS="/kaggle/input/oxford-iiit-pet-dlvc"
CITY="/kaggle/input/cityscapes-dlvc"
CKPT=Path("saved_models/city/checkpoint.pth")
# ------------------------------------------

tf=v2.Compose([v2.ToImage(),v2.ToDtype(torch.float32,scale=True),
               v2.Resize((64,64),interpolation=v2.InterpolationMode.NEAREST),
               v2.Normalize(mean=[0.485,0.456,0.406],std=[0.229,0.224,0.225])])
tf_mask=v2.Compose([v2.ToImage(),v2.ToDtype(torch.long,scale=False),
                    v2.Resize((64,64),interpolation=v2.InterpolationMode.NEAREST)])

if PHASE=="pretrain":
    train_data=CityscapesCustom(CITY,"train","fine","semantic",tf,tf_mask)
    val_data=CityscapesCustom(CITY,"val","fine","semantic",tf,tf_mask)
else:
    train_data=OxfordPetsCustom(PETS,"trainval","segmentation",tf,tf_mask,True)
    val_data=OxfordPetsCustom(PETS,"test","segmentation",tf,tf_mask,True)

model=DeepSegmenter(SegFormer(num_classes=len(train_data.classes_seg)))

if PHASE=="finetune":
    ckpt=torch.load(CKPT,map_location="cpu")
    print("checkpoint of epoch",ckpt["epoch"])
    prefix="encoder."
    enc={k[len(prefix):]:v for k,v in ckpt["model"].items() if k.startswith(prefix)}
    print(model.net.encoder.load_state_dict(enc))   # <All keys matched successfully>
    if FREEZE:
        for p in model.net.encoder.parameters():
            p.requires_grad=False

model=model.to(device)
optimizer=torch.optim.AdamW(filter(lambda p:p.requires_grad,model.parameters()),lr=LR,amsgrad=True)
scheduler=torch.optim.lr_scheduler.ExponentialLR(optimizer,gamma=0.98)
criterion=nn.CrossEntropyLoss(ignore_index=255)

save_dir=Path("saved_models")/{"scratch":"segformer","pretrain":"city","finetune":"ft_b" if FREEZE else "ft_a"}[PHASE]
save_dir.mkdir(exist_ok=True,parents=True)

trainer=ImgSemSegTrainer(model,optimizer,criterion,scheduler,
                         SegMetrics(train_data.classes_seg),SegMetrics(val_data.classes_seg),
                         train_data,val_data,device,EPOCHS,save_dir,BS,2)
trainer.train()
if PHASE=="pretrain":
    torch.save({"model":model.net.state_dict(),"epoch":EPOCHS},CKPT)
trainer.dispose()
