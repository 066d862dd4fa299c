import torch

from dlvc.cli import CommandLine, common, option
from dlvc.models.segformer import SegFormer
from dlvc.models.segment_model import DeepSegmenter
from dlvc.setup import device_for, fit, pets, streets

cli = CommandLine("Parts 5 and 6: SegFormer")

PETS = "/Users/lena/datasets/oxford_pets"
STREETS = "/Users/lena/datasets/cityscapes_assg2"


def copy_encoder(net, path):
    saved = torch.load(path, map_location="cpu")
    new = net.state_dict()
    copied = 0
    for key in new:
        if key.startswith("encoder."):
            new[key] = saved[key]
            copied += 1
    net.load_state_dict(new)
    print(f"copied {copied} tensors of the encoder")


@cli.command
@option("--root", PETS, "folder of the pets")
@option("--epochs", 31, "number of epochs")
@option("--batch-size", 64, "images in a batch")
@option("--lr", 0.001, "learning rate")
@common
def scratch(root, epochs, batch_size, lr, gpu_id, out, workers, wandb):
    '''pets, without pre-training (Part 5)'''
    device = device_for(gpu_id)
    model = DeepSegmenter(SegFormer(num_classes=3)).to(device)
    fit(model, model.parameters(), pets(root), device, "segformer_scratch", first_label=1, epochs=epochs,
        batch_size=batch_size, lr=lr, out=out, workers=workers, wandb=wandb)


@cli.command
@option("--root", STREETS, "folder of Cityscapes")
@option("--epochs", 41, "number of epochs")
@option("--batch-size", 16, "images in a batch")
@option("--lr", 0.001, "learning rate")
@common
def pretrain(root, epochs, batch_size, lr, gpu_id, out, workers, wandb):
    '''street scenes (Part 6, step 1)'''
    device = device_for(gpu_id)
    model = DeepSegmenter(SegFormer(num_classes=19)).to(device)
    fit(model, model.parameters(), streets(root), device, "segformer_city", first_label=0, epochs=epochs,
        batch_size=batch_size, lr=lr, out=out, workers=workers, wandb=wandb)


@cli.command
@option("--strategy", "init", "a: init, b: freeze", choices=["init", "freeze"])
@option("--weights", "saved_models/segformer_city/SegFormer_model_last.pth", "what pretrain has saved")
@option("--root", PETS, "folder of the pets")
@option("--epochs", 31, "number of epochs")
@option("--batch-size", 64, "images in a batch")
@option("--lr", 0.0005, "learning rate")
@common
def finetune(strategy, weights, root, epochs, batch_size, lr, gpu_id, out, workers, wandb):
    '''pets, with the encoder of pretrain (Part 6, step 2)'''
    device = device_for(gpu_id)
    model = DeepSegmenter(SegFormer(num_classes=3)).to(device)
    copy_encoder(model.net, weights)
    if strategy == "freeze":
        model.net.encoder.requires_grad_(False)
        parameters = model.net.decoder.parameters()
    else:
        parameters = model.parameters()
    fit(model, parameters, pets(root), device, f"segformer_finetune_{strategy}", first_label=1, epochs=epochs,
        batch_size=batch_size, lr=lr, out=out, workers=workers, wandb=wandb)


if __name__ == "__main__":
    cli.run()
