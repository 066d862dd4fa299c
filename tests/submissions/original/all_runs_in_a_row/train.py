from pathlib import Path

import torch
import torchvision.transforms.v2 as v2
from torchvision.models.segmentation import fcn_resnet50

from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.metrics import SegMetrics
from dlvc.models.segment_model import DeepSegmenter
from dlvc.trainer import ImgSemSegTrainer
from plots import plot_histories

DATA = "/data/students/jf/oxfordpet"
EPOCHS = 31
BATCH_SIZE = 64

# both experiments of part 4, they run one after the other
EXPERIMENTS = {
    "fcn_scratch": {"weights": None, "weights_backbone": None},
    "fcn_pretrained": {"weights": None, "weights_backbone": "DEFAULT"},
}


def get_data():
    nearest = v2.InterpolationMode.NEAREST
    tf = v2.Compose([v2.ToImage(),
                     v2.ToDtype(torch.float32, scale=True),
                     v2.Resize(size=(64, 64), interpolation=nearest),
                     v2.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])])
    target_tf = v2.Compose([v2.ToImage(),
                            v2.ToDtype(torch.long, scale=False),
                            v2.Resize(size=(64, 64), interpolation=nearest)])
    return [OxfordPetsCustom(root=DATA, split=split, target_types="segmentation", transform=tf,
                             target_transform=target_tf, download=True) for split in ("trainval", "test")]


def run(name, weights):
    torch.manual_seed(0)
    train_data, val_data = get_data()

    model = DeepSegmenter(fcn_resnet50(num_classes=3, **weights)).cuda()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=EPOCHS)

    save_dir = Path("saved_models", name)
    save_dir.mkdir(parents=True, exist_ok=True)

    trainer = ImgSemSegTrainer(model, optimizer, torch.nn.CrossEntropyLoss(), scheduler,
                               SegMetrics(train_data.classes_seg), SegMetrics(val_data.classes_seg),
                               train_data, val_data, "cuda", EPOCHS, save_dir,
                               batch_size=BATCH_SIZE, val_frequency=2)
    trainer.train()
    return trainer.history


if __name__ == "__main__":
    histories = {}
    for name, weights in EXPERIMENTS.items():
        print("=" * 20, name)
        histories[name] = run(name, weights)
    plot_histories(histories, "fcn.png")
