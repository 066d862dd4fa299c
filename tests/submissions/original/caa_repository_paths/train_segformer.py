import argparse
import os
from pathlib import Path

import torch
import torchvision.transforms.v2 as v2

from assignments.assignment_2.dlvc.models.segformer import SegFormer
from assignments.assignment_2.dlvc.models.segment_model import DeepSegmenter
from assignments.assignment_2.dlvc.dataset.cityscapes import CityscapesCustom
from assignments.assignment_2.dlvc.dataset.oxfordpets import OxfordPetsCustom
from assignments.assignment_2.dlvc.metrics import SegMetrics
from assignments.assignment_2.dlvc.trainer import ImgSemSegTrainer

CAA = Path("/caa/Student/dlvc/dlvc_24/public_group")
DATA_OXFORD = CAA / "data" / "oxford_pets"
DATA_CITY = CAA / "data" / "cityscapes_assg2"
SAVE_DIR = CAA / "assignment_2" / "saved_models"

# stage -> (dataset, use weights of the city stage, freeze encoder)
STAGES = {
    "scratch": ("oxford", False, False),
    "city": ("city", False, False),
    "finetune_a": ("oxford", True, False),
    "finetune_b": ("oxford", True, True),
}


def get_data(dataset):
    tf_img = v2.Compose([v2.ToImage(),
                         v2.ToDtype(torch.float32, scale=True),
                         v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST),
                         v2.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])])
    tf_mask = v2.Compose([v2.ToImage(),
                          v2.ToDtype(torch.long, scale=False),
                          v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST)])
    if dataset == "oxford":
        train_data = OxfordPetsCustom(root=DATA_OXFORD, split="trainval", target_types='segmentation',
                                      transform=tf_img, target_transform=tf_mask, download=True)
        val_data = OxfordPetsCustom(root=DATA_OXFORD, split="test", target_types='segmentation',
                                    transform=tf_img, target_transform=tf_mask, download=True)
    else:
        train_data = CityscapesCustom(root=DATA_CITY, split="train", mode="fine", target_type='semantic',
                                      transform=tf_img, target_transform=tf_mask)
        val_data = CityscapesCustom(root=DATA_CITY, split="val", mode="fine", target_type='semantic',
                                    transform=tf_img, target_transform=tf_mask)
    return train_data, val_data


def load_encoder(model):
    """overwrite only what belongs to the encoder"""
    path = SAVE_DIR / "segformer_city" / "SegFormer_model_last.pth"
    print("loading", path)
    pretrained = torch.load(path, map_location="cpu")
    state = model.net.state_dict()
    for key in state:
        if key.startswith("encoder."):
            state[key] = pretrained[key]
    model.net.load_state_dict(state)


def train(args):
    dataset, use_city, freeze = STAGES[args.stage]
    train_data, val_data = get_data(dataset)

    device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    model = DeepSegmenter(SegFormer(num_classes=len(train_data.classes_seg)))
    if use_city:
        load_encoder(model)
    if freeze:
        model.net.encoder.requires_grad_(False)
    model.to(device)

    params = model.net.decoder.parameters() if freeze else model.parameters()
    optimizer = torch.optim.AdamW(params, lr=args.lr, amsgrad=True)
    lr_scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.98)
    # 255 only exists in cityscapes but does not hurt for the pets
    loss_fn = torch.nn.CrossEntropyLoss(ignore_index=255)

    train_metric = SegMetrics(classes=train_data.classes_seg)
    val_metric = SegMetrics(classes=val_data.classes_seg)

    model_save_dir = SAVE_DIR / f"segformer_{args.stage}"
    model_save_dir.mkdir(parents=True, exist_ok=True)

    trainer = ImgSemSegTrainer(model, optimizer, loss_fn, lr_scheduler, train_metric, val_metric,
                               train_data, val_data, device, args.num_epochs, model_save_dir,
                               batch_size=16 if dataset == "city" else 64, val_frequency=2)
    trainer.train()
    trainer.dispose()


if __name__ == "__main__":
    # python -m assignments.assignment_2.train_segformer --stage city
    parser = argparse.ArgumentParser(description='Training')
    parser.add_argument('-d', '--gpu_id', default='0', type=str, help='index of which GPU to use')
    parser.add_argument('--stage', default='scratch', choices=list(STAGES))
    parser.add_argument('--lr', default=0.001, type=float)
    args = parser.parse_args()

    os.environ['CUDA_VISIBLE_DEVICES'] = str(args.gpu_id)
    args.num_epochs = 40 if args.stage == "city" else 31

    train(args)
