"""Everything that is made out of a config file, used by train.py and train_segformer.py."""
import json
from pathlib import Path

import torch
import torchvision.transforms.v2 as v2
import yaml
from torchvision.models import ResNet50_Weights
from torchvision.models.segmentation import fcn_resnet50

from dlvc.dataset.cityscapes import CityscapesCustom
from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.metrics import SegMetrics
from dlvc.models.segformer import SegFormer
from dlvc.models.segment_model import DeepSegmenter
from dlvc.trainer import ImgSemSegTrainer

HERE = Path(__file__).resolve().parent
NEAREST = v2.InterpolationMode.NEAREST


def read_config(path):
    path = Path(path)
    if not path.exists():
        path = HERE / path
    with open(path) as f:
        cfg = yaml.safe_load(f)
    with open(HERE / "configs" / "paths.yaml") as f:
        cfg["paths"] = yaml.safe_load(f)
    return cfg


def build_data(cfg):
    image_tf = v2.Compose([
        v2.ToImage(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Resize(size=(64, 64), interpolation=NEAREST),
        v2.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
    ])
    mask_tf = v2.Compose([
        v2.ToImage(),
        v2.ToDtype(torch.long, scale=False),
        v2.Resize(size=(64, 64), interpolation=NEAREST),
    ])
    common = dict(transform=image_tf, target_transform=mask_tf)

    if cfg["dataset"] == "oxford":
        common.update(root=cfg["paths"]["pets"], target_types="segmentation", download=True)
        return OxfordPetsCustom(split="trainval", **common), OxfordPetsCustom(split="test", **common)

    common.update(root=cfg["paths"]["city"], mode="fine", target_type="semantic")
    return CityscapesCustom(split="train", **common), CityscapesCustom(split="val", **common)


def build_net(spec, num_classes):
    if spec["type"] == "fcn":
        weights = spec.get("backbone")
        if weights is not None:
            weights = ResNet50_Weights[weights]
        return fcn_resnet50(weights=None, weights_backbone=weights, num_classes=num_classes)

    net = SegFormer(num_classes=num_classes)
    source = spec.get("encoder_from")
    if source:
        state = torch.load(source, map_location="cpu")
        prefix = "encoder."
        encoder_state = {k[len(prefix):]: v for k, v in state.items() if k.startswith(prefix)}
        net.encoder.load_state_dict(encoder_state)      # strict, complains if something is missing
        print(f"{len(encoder_state)} encoder tensors loaded from {source}")
    if spec.get("freeze_encoder", False):
        net.encoder.requires_grad_(False)
    return net


def from_spec(namespace, spec, first):
    kwargs = {k: v for k, v in spec.items() if k != "type"}
    return getattr(namespace, spec["type"])(first, **kwargs)


def run(config_path):
    cfg = read_config(config_path)
    print(yaml.dump(cfg))

    train_data, val_data = build_data(cfg)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    model = DeepSegmenter(build_net(cfg["model"], len(train_data.classes_seg))).to(device)
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = from_spec(torch.optim, cfg["optimizer"], trainable)
    scheduler = from_spec(torch.optim.lr_scheduler, cfg["scheduler"], optimizer)

    # 255 never occurs in the pets, so it does no harm there
    loss_fn = torch.nn.CrossEntropyLoss(ignore_index=255)

    save_dir = Path(cfg["paths"]["save_dir"]) / cfg["name"]
    save_dir.mkdir(parents=True, exist_ok=True)

    trainer = ImgSemSegTrainer(model, optimizer, loss_fn, scheduler,
                               SegMetrics(classes=train_data.classes_seg),
                               SegMetrics(classes=val_data.classes_seg),
                               train_data, val_data, device,
                               cfg["epochs"], save_dir,
                               batch_size=cfg["batch_size"], val_frequency=cfg.get("val_frequency", 2))
    trainer.train()

    # once more with the best weights, for the table in the report
    model.load(save_dir / f"{type(model.net).__name__}_model_best.pth")
    loss, miou = trainer._val_epoch(cfg["epochs"])
    with open(save_dir / "result.json", "w") as f:
        json.dump({"name": cfg["name"], "val_loss": loss, "val_mIoU": miou}, f, indent=2)
    trainer.dispose()
