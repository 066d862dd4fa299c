"""Part 4: train torchvision's FCN on the Oxford pets, from scratch or from a backbone trained on ImageNet."""

from collections.abc import Callable, Sequence

import torch
from torch import nn
from torchvision.models import ResNet50_Weights
from torchvision.models.segmentation import fcn_resnet50

from dlvc.cli import choose_device, open_data, training_parser
from dlvc.metrics import SegMetrics
from dlvc.models.segment_model import DeepSegmenter
from dlvc.trainer import ImgSemSegTrainer


def build_network(weights: str, num_classes: int) -> nn.Module:
    """Return torchvision's fcn_resnet50 for `num_classes` classes, without its auxiliary classifier.

    Args:
        weights: `scratch` for random weights everywhere, so that nothing is fetched; `backbone` for a
            ResNet-50 trained on ImageNet below a random prediction head.
        num_classes: the number of classes.
    """
    backbone = ResNet50_Weights.IMAGENET1K_V1 if weights == "backbone" else None
    return fcn_resnet50(weights=None, weights_backbone=backbone, num_classes=num_classes, aux_loss=False)


def build_training(
    model: nn.Module, lr: float
) -> tuple[
    torch.optim.Optimizer,
    torch.optim.lr_scheduler.LRScheduler,
    Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
]:
    """Return the optimizer, the scheduler and the loss for all of a model's parameters (handout, Part 4)."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, amsgrad=True)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.98)
    return optimizer, scheduler, nn.CrossEntropyLoss()


def main(argv: Sequence[str] | None = None) -> None:
    """Train as the command line asks for."""
    parser = training_parser(__doc__.partition(":")[2].strip())
    parser.add_argument(
        "--weights",
        choices=("scratch", "backbone"),
        default="scratch",
        help="where training starts (scratch)",
    )
    args = parser.parse_args(argv)
    torch.manual_seed(args.seed)
    device = choose_device(args.device)
    train_data, val_data = open_data("oxford", args.data_root, args.image_size)

    classes = train_data.classes_seg
    try:
        model = DeepSegmenter(build_network(args.weights, len(classes)))
    except OSError as error:
        raise SystemExit(f"error: --weights {args.weights}: cannot fetch the weights: {error}") from None
    optimizer, scheduler, loss_fn = build_training(model, args.lr)
    trainer = ImgSemSegTrainer(
        model,
        optimizer,
        loss_fn,
        scheduler,
        SegMetrics(classes),
        SegMetrics(classes),
        train_data,
        val_data,
        device,
        args.epochs,
        args.output,
        batch_size=args.batch_size,
        val_frequency=args.val_frequency,
        num_workers=args.num_workers,
    )
    trainer.train()
    trainer.dispose()


if __name__ == "__main__":
    main()
