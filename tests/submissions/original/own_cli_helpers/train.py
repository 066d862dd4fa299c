from torchvision.models import ResNet50_Weights
from torchvision.models.segmentation import fcn_resnet50

from dlvc.cli import CommandLine, common, option
from dlvc.models.segment_model import DeepSegmenter
from dlvc.setup import device_for, fit, pets

cli = CommandLine("Part 4: FCN on the pets")


@cli.command
@option("--init", "random", "weights at the start", choices=["random", "imagenet"])
@option("--root", "/Users/lena/datasets/oxford_pets", "folder of the pets")
@option("--epochs", 31, "number of epochs")
@option("--batch-size", 64, "images in a batch")
@option("--lr", 0.001, "learning rate")
@common
def fcn(init, root, epochs, batch_size, lr, gpu_id, out, workers, wandb):
    '''train the FCN'''
    device = device_for(gpu_id)
    backbone = {"random": None, "imagenet": ResNet50_Weights.IMAGENET1K_V1}[init]
    model = DeepSegmenter(fcn_resnet50(weights=None, weights_backbone=backbone, num_classes=3))
    model.to(device)
    fit(model, model.parameters(), pets(root), device, f"fcn_{init}", first_label=1, epochs=epochs,
        batch_size=batch_size, lr=lr, out=out, workers=workers, wandb=wandb)


if __name__ == "__main__":
    cli.run()
