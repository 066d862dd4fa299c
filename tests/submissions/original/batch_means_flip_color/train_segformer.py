import argparse
import os
from pathlib import Path

import torch
import torchvision.transforms.v2 as v2

from dlvc.models.segformer import SegFormer
from dlvc.models.segment_model import DeepSegmenter
from dlvc.dataset.cityscapes import CityscapesCustom
from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.metrics import SegMetrics
from dlvc.trainer import ImgSemSegTrainer


def load_pretrained_encoder(model, path):
    """Copies the encoder weights of the pre-trained model, the decoder stays as it is."""
    pretrained_dict = torch.load(path, map_location="cpu")
    model_dict = model.net.state_dict()
    for key in model_dict.keys():
        if key.startswith("encoder."):
            model_dict[key] = pretrained_dict[key]
    model.net.load_state_dict(model_dict)


def train(args):
    # Data augmentation against overfitting (only for training)
    train_transform = v2.Compose([v2.ToImage(),
                                  v2.ToDtype(torch.float32, scale=True),
                                  v2.RandomHorizontalFlip(p=0.5),
                                  v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST),
                                  v2.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])])
    val_transform = v2.Compose([v2.ToImage(),
                                v2.ToDtype(torch.float32, scale=True),
                                v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST),
                                v2.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])])
    target_transform = v2.Compose([v2.ToImage(),
                                   v2.ToDtype(torch.long, scale=False),
                                   v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST)])

    if args.dataset == "oxford":
        train_data = OxfordPetsCustom(root="data/oxford", split="trainval", target_types="segmentation",
                                      transform=train_transform, target_transform=target_transform, download=True)
        val_data = OxfordPetsCustom(root="data/oxford", split="test", target_types="segmentation",
                                    transform=val_transform, target_transform=target_transform, download=True)
    else:
        # the colored masks are the ones shown in the assignment
        train_data = CityscapesCustom(root="data/cityscapes_assg2", split="train", mode="fine", target_type="color",
                                      transform=train_transform, target_transform=target_transform)
        val_data = CityscapesCustom(root="data/cityscapes_assg2", split="val", mode="fine", target_type="color",
                                    transform=val_transform, target_transform=target_transform)

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    # Create the model
    num_classes = 3 if args.dataset == "oxford" else 19
    model = DeepSegmenter(SegFormer(num_classes=num_classes))

    # Load the encoder for fine-tuning
    if args.finetune:
        load_pretrained_encoder(model, "saved_models_segformer_city/SegFormer_model_best.pth")

    # Freeze the encoder (option b)
    if args.freeze:
        model.net.encoder.requires_grad_(False)
        params = model.net.decoder.parameters()
    else:
        params = model.parameters()

    model.to(device)
    optimizer = torch.optim.AdamW(params, lr=args.lr, amsgrad=True)
    loss_fn = torch.nn.CrossEntropyLoss(ignore_index=255)
    lr_scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.98)

    train_metric = SegMetrics(classes=train_data.classes_seg)
    val_metric = SegMetrics(classes=val_data.classes_seg)

    name = f"saved_models_segformer_{args.dataset}"
    if args.finetune:
        name += "_finetune_frozen" if args.freeze else "_finetune"
    model_save_dir = Path(name)
    model_save_dir.mkdir(exist_ok=True)

    trainer = ImgSemSegTrainer(model, optimizer, loss_fn, lr_scheduler, train_metric, val_metric, train_data, val_data,
                               device, args.num_epochs, model_save_dir,
                               batch_size=16 if args.dataset == "city" else 64, val_frequency=2)
    trainer.train()
    trainer.dispose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Training")
    parser.add_argument("-d", "--gpu_id", default="0", type=str, help="index of which GPU to use")
    parser.add_argument("--dataset", default="oxford", choices=["oxford", "city"])
    parser.add_argument("--finetune", action="store_true")
    parser.add_argument("--freeze", action="store_true")
    parser.add_argument("--lr", default=0.001, type=float)
    args = parser.parse_args()
    os.environ["CUDA_VISIBLE_DEVICES"] = str(args.gpu_id)
    args.num_epochs = 31
    train(args)
