'''
Part 4. Environment: PRETRAINED (0 or 1), EPOCHS, BATCH_SIZE, LR, PETS_ROOT, RUNS_DIR
'''
import torch
from torchvision.models import ResNet50_Weights
from torchvision.models.segmentation import fcn_resnet50

from dlvc import settings
from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.metrics import SegMetrics
from dlvc.models.segment_model import DeepSegmenter
from dlvc.settings import env_bool, env_float, env_int
from dlvc.trainer import ImgSemSegTrainer
from dlvc.transforms import image_transform, pets_mask_transform


def main():
    pretrained = env_bool("PRETRAINED")
    epochs = env_int("EPOCHS", 31)
    batch_size = env_int("BATCH_SIZE", 64)
    lr = env_float("LR", 0.001)

    train_data = OxfordPetsCustom(root=settings.PETS_ROOT, split="trainval", target_types="segmentation",
                                  transform=image_transform, target_transform=pets_mask_transform, download=True)
    val_data = OxfordPetsCustom(root=settings.PETS_ROOT, split="test", target_types="segmentation",
                                transform=image_transform, target_transform=pets_mask_transform, download=True)

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if pretrained:
        net = fcn_resnet50(weights=None, weights_backbone=ResNet50_Weights.IMAGENET1K_V1, num_classes=3)
    else:
        net = fcn_resnet50(weights=None, num_classes=3)
    model = DeepSegmenter(net).to(device)

    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, amsgrad=True)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.98)
    loss_fn = torch.nn.CrossEntropyLoss()

    save_dir = settings.RUNS / ("fcn_pretrained" if pretrained else "fcn_scratch")
    save_dir.mkdir(parents=True, exist_ok=True)
    print("job", settings.JOB_ID, "->", save_dir, flush=True)

    ImgSemSegTrainer(model, optimizer, loss_fn, scheduler,
                     SegMetrics(train_data.classes_seg), SegMetrics(val_data.classes_seg),
                     train_data, val_data, device, epochs, save_dir, batch_size=batch_size, val_frequency=2).train()


if __name__ == "__main__":
    main()
