import os

import torch
import torchvision.transforms.v2 as v2

from dlvc.dataset.cityscapes import CityscapesCustom
from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.metrics import SegMetrics
from dlvc.models.segformer import SegFormer
from dlvc.models.segment_model import DeepSegmenter
from dlvc.trainer import ImgSemSegTrainer

# ---------------- choose here ----------------
DATASET = "oxford"
# DATASET = "city"          # pre-training

PRETRAINED = False          # oxford only: start with the encoder that was trained on cityscapes
FREEZE = False              # oxford only: option b

NUM_EPOCHS = 30
# NUM_EPOCHS = 40           # pre-training
LR = 0.001
# LR = 0.0005
# ---------------------------------------------


def load_checkpoint():
    folder = os.path.join("saved_models", "segformer_city")
    # first file of the folder is the best checkpoint
    filename = sorted(f for f in os.listdir(folder) if f.endswith(".tar"))[0]
    return torch.load(os.path.join(folder, filename), map_location="cpu")


def train():
    train_transform = v2.Compose([v2.ToImage(),
                                  v2.ToDtype(torch.float32, scale=True),
                                  v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST),
                                  v2.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])])
    train_transform2 = v2.Compose([v2.ToImage(),
                                   v2.ToDtype(torch.long, scale=False),
                                   v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST)])

    if DATASET == "oxford":
        root = r"E:\Studium\DLVC\data\oxford_pets"
        train_data = OxfordPetsCustom(root=root, split="trainval", target_types='segmentation',
                                      transform=train_transform, target_transform=train_transform2, download=True)
        val_data = OxfordPetsCustom(root=root, split="test", target_types='segmentation',
                                    transform=train_transform, target_transform=train_transform2, download=True)
        loss_fn = torch.nn.CrossEntropyLoss()
        batch_size = 64
    if DATASET == "city":
        root = r"E:\Studium\DLVC\data\cityscapes_assg2"
        train_data = CityscapesCustom(root=root, split="train", mode="fine", target_type='semantic',
                                      transform=train_transform, target_transform=train_transform2)
        val_data = CityscapesCustom(root=root, split="val", mode="fine", target_type='semantic',
                                    transform=train_transform, target_transform=train_transform2)
        loss_fn = torch.nn.CrossEntropyLoss(ignore_index=255)
        batch_size = 16

    device = torch.device('cuda:0')
    # device = torch.device('cpu')

    model = DeepSegmenter(SegFormer(num_classes=len(train_data.classes_seg)))
    training_save_dir = "saved_models/segformer_" + DATASET

    if PRETRAINED and DATASET == "oxford":
        checkpoint = load_checkpoint()
        prefix = "net.encoder."
        encoder_weights = {}
        for key, value in checkpoint['model'].items():
            if key.startswith(prefix):
                encoder_weights[key[len(prefix):]] = value
        model.net.encoder.load_state_dict(encoder_weights)
        training_save_dir += "_pretrained"

    if FREEZE and DATASET == "oxford":
        for param in model.net.encoder.parameters():
            param.requires_grad = False
        training_save_dir += "_frozen"

    model.to(device)

    if True:
        # only what has to be trained (with FREEZE that is the decoder)
        params = list(filter(lambda p: p.requires_grad, model.parameters()))
    else:
        params = model.parameters()
    optimizer = torch.optim.AdamW(params, lr=LR, amsgrad=True)
    lr_scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.98)

    os.makedirs(training_save_dir, exist_ok=True)
    trainer = ImgSemSegTrainer(model,
                               optimizer,
                               loss_fn,
                               lr_scheduler,
                               SegMetrics(classes=train_data.classes_seg),
                               SegMetrics(classes=val_data.classes_seg),
                               train_data,
                               val_data,
                               device,
                               NUM_EPOCHS,
                               training_save_dir,
                               batch_size=batch_size,
                               val_frequency=2,
                               subtract_one=(DATASET == "oxford"))
    trainer.train()


if __name__ == "__main__":
    train()
