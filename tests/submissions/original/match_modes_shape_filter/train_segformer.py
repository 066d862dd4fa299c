import argparse
import os
from pathlib import Path

import torch
import torchvision.transforms.v2 as v2

from dlvc.dataset.cityscapes import CityscapesCustom
from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.metrics import SegMetrics
from dlvc.models.segformer import SegFormer
from dlvc.models.segment_model import DeepSegmenter
from dlvc.trainer import ImgSemSegTrainer

OXFORD = '/home/hannes/datasets/oxford'
CITY = '/home/hannes/datasets/cityscapes_assg2'
PRETRAINED = 'saved_models/segformer_pretrain/SegFormer_model_best.pth'


def get_datasets(name):
    transform = v2.Compose([v2.ToImage(),
                            v2.ToDtype(torch.float32, scale=True),
                            v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST),
                            v2.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])])
    target_transform = v2.Compose([v2.ToImage(),
                                   v2.ToDtype(torch.long, scale=False),
                                   v2.Resize(size=(64, 64), interpolation=v2.InterpolationMode.NEAREST)])
    match name:
        case "oxford":
            return [OxfordPetsCustom(root=OXFORD, split=s, target_types='segmentation', transform=transform,
                                     target_transform=target_transform, download=True)
                    for s in ("trainval", "test")]
        case "city":
            return [CityscapesCustom(root=CITY, split=s, mode="fine", target_type='semantic',
                                     transform=transform, target_transform=target_transform)
                    for s in ("train", "val")]


def init_from_cityscapes(net):
    '''
    Takes over the pre-trained weights. The last layers differ in their number of classes, so only tensors of
    the same shape can be used.
    '''
    pretrained = torch.load(PRETRAINED, map_location='cpu')
    state = net.state_dict()
    usable = {k: v for k, v in pretrained.items() if k in state and v.shape == state[k].shape}
    print(f"using {len(usable)} of {len(pretrained)} pre-trained tensors")
    state.update(usable)
    net.load_state_dict(state)


def train(args):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    loss_fn = torch.nn.CrossEntropyLoss()
    batch_size = 64

    match args.mode:
        case "scratch":
            train_data, val_data = get_datasets("oxford")
            net = SegFormer(num_classes=3)
            params = net.parameters()
        case "pretrain":
            train_data, val_data = get_datasets("city")
            net = SegFormer(num_classes=19)
            params = net.parameters()
            loss_fn = torch.nn.CrossEntropyLoss(ignore_index=255)
            batch_size = 16
        case "finetune":
            train_data, val_data = get_datasets("oxford")
            net = SegFormer(num_classes=3)
            init_from_cityscapes(net)
            params = net.parameters()
        case "freeze":
            train_data, val_data = get_datasets("oxford")
            net = SegFormer(num_classes=3)
            init_from_cityscapes(net)
            net.encoder.requires_grad_(False)
            params = net.decoder.parameters()
        case _:
            raise SystemExit(f"no such mode: {args.mode}")

    model = DeepSegmenter(net).to(device)
    optimizer = torch.optim.AdamW(params, lr=args.lr, amsgrad=True)
    lr_scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.98)

    model_save_dir = Path("saved_models") / f"segformer_{args.mode}"
    model_save_dir.mkdir(parents=True, exist_ok=True)

    trainer = ImgSemSegTrainer(model,
                               optimizer,
                               loss_fn,
                               lr_scheduler,
                               SegMetrics(classes=train_data.classes_seg),
                               SegMetrics(classes=val_data.classes_seg),
                               train_data,
                               val_data,
                               device,
                               args.epochs,
                               model_save_dir,
                               batch_size=batch_size,
                               val_frequency=2)
    trainer.train()
    # trainer.dispose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description='Training')
    parser.add_argument('mode', nargs='?', default='scratch', help='scratch, pretrain, finetune or freeze')
    parser.add_argument('-d', '--gpu_id', default='0', type=str, help='index of which GPU to use')
    parser.add_argument('--epochs', default=31, type=int)
    parser.add_argument('--lr', default=0.001, type=float)
    args = parser.parse_args()

    os.environ['CUDA_VISIBLE_DEVICES'] = args.gpu_id
    train(args)
