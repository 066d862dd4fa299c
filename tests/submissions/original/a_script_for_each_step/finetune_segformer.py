import argparse
import os
from pathlib import Path

import torch
import torchvision.transforms.v2 as v2

from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.metrics import SegMetrics
from dlvc.models.segformer import SegFormer
from dlvc.models.segment_model import DeepSegmenter
from dlvc.trainer import ImgSemSegTrainer


def load_encoder(net, path, device):
    '''
    Puts the encoder's weights of a saved SegFormer into net, the decoder stays as it is.
    '''
    saved = torch.load(path, map_location=device)
    state = net.state_dict()
    for key in state:
        if key.startswith("encoder."):
            state[key] = saved[key]
    net.load_state_dict(state)


def train(args):
    train_transform = v2.Compose([v2.ToImage(),
                                  v2.ToDtype(torch.float32, scale=True),
                                  v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST),
                                  v2.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])])
    train_target_transform = v2.Compose([v2.ToImage(),
                                         v2.ToDtype(torch.long, scale=False),
                                         v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST)])
    val_transform = train_transform
    val_target_transform = train_target_transform

    root = "/data/dlvc/oxford"
    train_data = OxfordPetsCustom(root=root, split="trainval", target_types='segmentation', transform=train_transform,
                                  target_transform=train_target_transform, download=True)
    val_data = OxfordPetsCustom(root=root, split="test", target_types='segmentation', transform=val_transform,
                                target_transform=val_target_transform, download=True)

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = DeepSegmenter(SegFormer(num_classes=3))
    model.to(device)

    load_encoder(model.net, "saved_models_city/SegFormer_model_last.pth", device)
    if args.option == "b":
        model.net.encoder.requires_grad_(False)
        params = model.net.decoder.parameters()
    else:
        params = model.parameters()

    optimizer = torch.optim.AdamW(params, lr=0.0005, amsgrad=True)
    loss_fn = torch.nn.CrossEntropyLoss()
    lr_scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.98)

    train_metric = SegMetrics(classes=train_data.classes_seg)
    val_metric = SegMetrics(classes=val_data.classes_seg)

    model_save_dir = Path("saved_models_finetune")
    model_save_dir.mkdir(exist_ok=True)

    trainer = ImgSemSegTrainer(model, optimizer, loss_fn, lr_scheduler, train_metric, val_metric, train_data, val_data,
                               device, args.num_epochs, model_save_dir, batch_size=64, val_frequency=2)
    trainer.train()
    trainer.dispose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description='Training')
    parser.add_argument('-d', '--gpu_id', default='0', type=str, help='index of the GPU to use')
    parser.add_argument('-o', '--option', default='a', choices=['a', 'b'], help='b freezes the encoder')
    args = parser.parse_args()

    os.environ["CUDA_VISIBLE_DEVICES"] = str(args.gpu_id)
    args.gpu_id = 0
    args.num_epochs = 31

    train(args)
