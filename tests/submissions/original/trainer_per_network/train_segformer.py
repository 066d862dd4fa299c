import argparse
import os
import torch
import torchvision.transforms.v2 as v2
from pathlib import Path

from dlvc.models.segformer import SegFormer
from dlvc.models.segment_model import DeepSegmenter
from dlvc.dataset.cityscapes import CityscapesCustom
from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.metrics import SegMetrics
from dlvc.trainer_segformer import SegFormerTrainer

# Pfade anpassen!
OXFORD_ROOT = "/home/jakob/Documents/TU/DLVC/oxford"
CITY_ROOT = "/home/jakob/Documents/TU/DLVC/cityscapes_assg2"

PRETRAINED = "saved_models/segformer_pretrain/SegFormer_model_best.pth"


def transforms():
    img = v2.Compose([v2.ToImage(),
                      v2.ToDtype(torch.float32, scale=True),
                      v2.Resize(size=(64,64), interpolation=v2.InterpolationMode.NEAREST),
                      v2.Normalize(mean = [0.485, 0.456,0.406], std = [0.229, 0.224, 0.225])])
    mask = v2.Compose([v2.ToImage(),
                       v2.ToDtype(torch.long, scale=False),
                       v2.Resize(size=(64,64), interpolation=v2.InterpolationMode.NEAREST)])
    return img, mask


def loadEncoder(model):
    oldWeights = torch.load(PRETRAINED, map_location="cpu")
    newWeights = model.net.state_dict()
    counter = 0
    for name in newWeights.keys():
        if name.startswith("encoder."):
            newWeights[name] = oldWeights[name]
            counter += 1
    model.net.load_state_dict(newWeights)
    print("Encoder geladen:", counter, "Tensoren")


def train(args):
    img, mask = transforms()
    phase = args.phase

    if phase == "pretrain":
        train_data = CityscapesCustom(root=CITY_ROOT, split="train", mode="fine", target_type='semantic',
                                      transform=img, target_transform=mask)
        val_data = CityscapesCustom(root=CITY_ROOT, split="val", mode="fine", target_type='semantic',
                                    transform=img, target_transform=mask)
    else:
        train_data = OxfordPetsCustom(root=OXFORD_ROOT, split="trainval", target_types='segmentation',
                                      transform=img, target_transform=mask, download=True)
        val_data = OxfordPetsCustom(root=OXFORD_ROOT, split="test", target_types='segmentation',
                                    transform=img, target_transform=mask, download=True)

    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    model = DeepSegmenter(SegFormer(num_classes=len(train_data.classes_seg)))

    # Part 6
    if phase in ["finetune", "freeze"]:
        loadEncoder(model)
    if phase == "freeze":
        for p in model.net.encoder.parameters():
            p.requires_grad = False
    model.to(device)

    optimizer = torch.optim.AdamW(filter(lambda p: p.requires_grad, model.parameters()), lr=args.lr, amsgrad=True)
    lr_scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.98)
    if phase == "pretrain":
        loss_fn = torch.nn.CrossEntropyLoss(ignore_index=255)
    else:
        loss_fn = torch.nn.CrossEntropyLoss()

    train_metric = SegMetrics(classes=train_data.classes_seg)
    val_metric = SegMetrics(classes=val_data.classes_seg)

    model_save_dir = Path("saved_models") / ("segformer_" + phase)
    model_save_dir.mkdir(parents=True, exist_ok=True)

    trainer = SegFormerTrainer(model, optimizer, loss_fn, lr_scheduler, train_metric, val_metric,
                               train_data, val_data, device, args.num_epochs, model_save_dir,
                               batch_size=16 if phase == "pretrain" else 64, val_frequency=2)
    trainer.train()
    trainer.dispose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description='Training')
    parser.add_argument('-d', '--gpu_id', default='0', type=str,
                        help='index of which GPU to use')
    parser.add_argument('-p', '--phase', default='scratch', choices=['scratch', 'pretrain', 'finetune', 'freeze'])
    parser.add_argument('--lr', default=0.001, type=float)
    args = parser.parse_args()
    os.environ['CUDA_VISIBLE_DEVICES'] = str(args.gpu_id)
    args.gpu_id = 0

    args.num_epochs = 41 if args.phase == "pretrain" else 31
    train(args)
