from pathlib import Path

import torch
import torchvision.transforms.v2 as v2

from dlvc.dataset.cityscapes import CityscapesCustom
from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.metrics import SegMetrics
from dlvc.models.segformer import SegFormer
from dlvc.models.segment_model import DeepSegmenter
from dlvc.trainer import ImgSemSegTrainer
from plots import plot_histories

PETS = "/data/students/jf/oxfordpet"
CITY = "/data/students/jf/cityscapes_assg2"
OUT = Path("saved_models")
ENCODER_FILE = OUT / "encoder_city.pth"
LR = 1e-3

nearest = v2.InterpolationMode.NEAREST
image_tf = v2.Compose([v2.ToImage(),
                       v2.ToDtype(torch.float32, scale=True),
                       v2.Resize(size=(64, 64), interpolation=nearest),
                       v2.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])])
mask_tf = v2.Compose([v2.ToImage(),
                      v2.ToDtype(torch.long, scale=False),
                      v2.Resize(size=(64, 64), interpolation=nearest)])


def pets(split):
    return OxfordPetsCustom(root=PETS, split=split, target_types="segmentation", transform=image_tf,
                            target_transform=mask_tf, download=True)


def city(split):
    return CityscapesCustom(root=CITY, split=split, mode="fine", target_type="semantic", transform=image_tf,
                            target_transform=mask_tf)


def fit(name, model, train_data, val_data, lr=LR, epochs=31, batch_size=64, loss_fn=None):
    print("=" * 20, name)
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=lr, amsgrad=True)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.98)

    save_dir = OUT / name
    save_dir.mkdir(parents=True, exist_ok=True)
    trainer = ImgSemSegTrainer(model, optimizer, loss_fn or torch.nn.CrossEntropyLoss(), scheduler,
                               SegMetrics(train_data.classes_seg), SegMetrics(val_data.classes_seg),
                               train_data, val_data, "cuda", epochs, save_dir,
                               batch_size=batch_size, val_frequency=2)
    trainer.train()
    return trainer.history


def from_scratch():
    model = DeepSegmenter(SegFormer(num_classes=3)).cuda()
    return fit("segformer_scratch", model, pets("trainval"), pets("test"))


def pretrain():
    model = DeepSegmenter(SegFormer(num_classes=19)).cuda()
    history = fit("segformer_city", model, city("train"), city("val"), epochs=40, batch_size=16,
                  loss_fn=torch.nn.CrossEntropyLoss(ignore_index=255))
    # only the encoder is needed later
    torch.save(model.net.encoder.state_dict(), ENCODER_FILE)
    return history


def pretrained_segformer():
    net = SegFormer(num_classes=3)
    print(net.encoder.load_state_dict(torch.load(ENCODER_FILE, map_location="cpu")))
    return DeepSegmenter(net).cuda()


def finetune_everything(name="segformer_finetune_a", lr=LR):
    return fit(name, pretrained_segformer(), pets("trainval"), pets("test"), lr=lr)


def finetune_decoder():
    model = pretrained_segformer()
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.startswith("net.decoder")
    return fit("segformer_finetune_b", model, pets("trainval"), pets("test"))


if __name__ == "__main__":
    histories = {}
    histories["from scratch"] = from_scratch()

    city_history = pretrain()
    plot_histories({"Cityscapes": city_history}, "segformer_city.png")

    histories["pre-trained, all weights"] = finetune_everything()
    histories["pre-trained, frozen encoder"] = finetune_decoder()
    histories["pre-trained, all weights, lr/2"] = finetune_everything("segformer_finetune_a_half", lr=LR / 2)
    plot_histories(histories, "segformer.png")
