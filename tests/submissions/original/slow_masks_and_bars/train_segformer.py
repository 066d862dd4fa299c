import argparse
import os
from pathlib import Path

import torch
import torchvision.transforms.v2 as v2

from dlvc.models.segformer import SegFormer
from dlvc.models.segment_model import DeepSegmenter
from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.dataset.cityscapes import CityscapesCustom
from dlvc.metrics import SegMetrics
from dlvc.trainer import ImgSemSegTrainer

DATA = Path("C:\\Users\\Lena\\Documents\\TU\\DLVC\\data") if os.name == "nt" else Path("/home/lena/dlvc/data")
OUT = Path("saved_models")
ENCODER_FILE = OUT / "encoder_city.pth"


def transforms():
    img = v2.Compose([v2.ToImage(),
                      v2.ToDtype(torch.float32, scale=True),
                      v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST),
                      v2.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])])
    seg = v2.Compose([v2.ToImage(),
                      v2.ToDtype(torch.long, scale=False),
                      v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST)])
    return img, seg


def pets():
    img, seg = transforms()
    return [OxfordPetsCustom(root=DATA / "pets", split=s, target_types='segmentation',
                             transform=img, target_transform=seg, download=True) for s in ("trainval", "test")]


def city():
    img, seg = transforms()
    return [CityscapesCustom(root=DATA / "cityscapes_assg2", split=s, mode="fine", target_type='semantic',
                             transform=img, target_transform=seg) for s in ("train", "val")]


def run(name, model, parameters, data, num_epochs, batch_size, lr=0.001, loss_fn=None):
    """ein kompletter Trainingslauf"""
    print("########", name, "########")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device)
    train_data, val_data = data
    optimizer = torch.optim.AdamW(parameters, lr=lr, amsgrad=True)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.98)
    if loss_fn is None:
        loss_fn = torch.nn.CrossEntropyLoss()
    save_dir = OUT / name
    os.makedirs(save_dir, exist_ok=True)
    trainer = ImgSemSegTrainer(model, optimizer, loss_fn, scheduler,
                               SegMetrics(classes=train_data.classes_seg), SegMetrics(classes=val_data.classes_seg),
                               train_data, val_data, device, num_epochs, save_dir,
                               batch_size=batch_size, val_frequency=2)
    trainer.train()
    trainer.dispose()


def scratch(args):
    model = DeepSegmenter(SegFormer(num_classes=3))
    run("segformer_scratch", model, model.parameters(), pets(), args.num_epochs, 64)


def pretrain(args):
    model = DeepSegmenter(SegFormer(num_classes=19))
    # 255 = wird ignoriert
    run("segformer_city", model, model.parameters(), city(), 40, 16,
        loss_fn=torch.nn.CrossEntropyLoss(ignore_index=255))
    # nur der encoder wird spaeter gebraucht
    torch.save(model.net.encoder.state_dict(), ENCODER_FILE)


def finetune(args, freeze, lr=0.001, name=None):
    model = DeepSegmenter(SegFormer(num_classes=3))
    model.net.encoder.load_state_dict(torch.load(ENCODER_FILE, map_location="cpu"))
    if freeze:
        model.net.encoder.requires_grad_(False)
        parameters = model.net.decoder.parameters()
    else:
        parameters = model.parameters()
    run(name, model, parameters, pets(), args.num_epochs, 64, lr=lr)


if __name__ == "__main__":
    args = argparse.ArgumentParser(description='Training')
    args.add_argument('-d', '--gpu_id', default='0', type=str, help='index of which GPU to use')
    args = args.parse_args()
    os.environ['CUDA_VISIBLE_DEVICES'] = str(args.gpu_id)
    args.num_epochs = 31

    scratch(args)
    pretrain(args)
    finetune(args, freeze=False, name="segformer_finetune_a")
    finetune(args, freeze=True, name="segformer_finetune_b")
    finetune(args, freeze=False, lr=0.0005, name="segformer_finetune_a_half_lr")
