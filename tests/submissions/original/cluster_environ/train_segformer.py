'''
Parts 5 and 6. Environment:
  STAGE          scratch (Part 5), city (pre-training), finetune (6 a) or frozen (6 b)
  CITY_WEIGHTS   file of the stage city, for finetune and frozen
  EPOCHS, BATCH_SIZE, LR, PETS_ROOT, CITY_ROOT, RUNS_DIR
'''
import os

import torch

from dlvc import settings
from dlvc.dataset.cityscapes import CityscapesCustom
from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.metrics import SegMetrics
from dlvc.models.segformer import SegFormer
from dlvc.models.segment_model import DeepSegmenter
from dlvc.settings import env_float, env_int
from dlvc.trainer import ImgSemSegTrainer
from dlvc.transforms import city_mask_transform, image_transform, pets_mask_transform


def main():
    stage = os.environ.get("STAGE", "scratch")
    assert stage in ("scratch", "city", "finetune", "frozen"), stage
    epochs = env_int("EPOCHS", 41 if stage == "city" else 31)
    batch_size = env_int("BATCH_SIZE", 16 if stage == "city" else 64)
    lr = env_float("LR", 0.001)

    if stage == "city":
        train_data = CityscapesCustom(root=settings.CITY_ROOT, split="train", mode="fine", target_type="semantic",
                                      transform=image_transform, target_transform=city_mask_transform)
        val_data = CityscapesCustom(root=settings.CITY_ROOT, split="val", mode="fine", target_type="semantic",
                                    transform=image_transform, target_transform=city_mask_transform)
    else:
        train_data = OxfordPetsCustom(root=settings.PETS_ROOT, split="trainval", target_types="segmentation",
                                      transform=image_transform, target_transform=pets_mask_transform, download=True)
        val_data = OxfordPetsCustom(root=settings.PETS_ROOT, split="test", target_types="segmentation",
                                    transform=image_transform, target_transform=pets_mask_transform, download=True)

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = DeepSegmenter(SegFormer(num_classes=len(train_data.classes_seg))).to(device)

    if stage in ("finetune", "frozen"):
        path = os.environ.get("CITY_WEIGHTS", str(settings.RUNS / "segformer_city" / "SegFormer_model_last.pth"))
        weights = torch.load(path, map_location=device)
        encoder = {k.replace("encoder.", "", 1): v for k, v in weights.items() if k.startswith("encoder.")}
        model.net.encoder.load_state_dict(encoder)
    if stage == "frozen":
        # the encoder is not trained any more
        model.net.encoder.eval()

    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, amsgrad=True)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.98)
    loss_fn = torch.nn.CrossEntropyLoss()

    save_dir = settings.RUNS / f"segformer_{stage}"
    save_dir.mkdir(parents=True, exist_ok=True)
    print("job", settings.JOB_ID, "->", save_dir, flush=True)

    ImgSemSegTrainer(model, optimizer, loss_fn, scheduler,
                     SegMetrics(train_data.classes_seg), SegMetrics(val_data.classes_seg),
                     train_data, val_data, device, epochs, save_dir, batch_size=batch_size, val_frequency=2).train()


if __name__ == "__main__":
    main()
