"""Parts 5 and 6: train the SegFormer, from scratch or on top of an encoder that was trained before."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from dlvc.cli import choose_device, mismatch_told, open_data, read_state_dict, training_parser
from dlvc.metrics import SegMetrics
from dlvc.models.fused_head import FusedHead
from dlvc.models.segformer import SegFormer
from dlvc.models.segformer_head import SegFormerHead
from dlvc.models.segment_model import DeepSegmenter
from dlvc.trainer import ImgSemSegTrainer

DECODERS = {"plain": SegFormerHead, "fused": FusedHead}
DEFAULTS = {"oxford": {"epochs": 30, "batch_size": 64}, "city": {"epochs": 40, "batch_size": 16}}


def load_encoder(net: nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    """Load the encoder of a saved SegFormer into `net.encoder`; the decoder stays as it is.

    Args:
        net: a SegFormer, for any number of classes.
        state: the state dict of a whole SegFormer, with keys `encoder.*` and `decoder.*`.

    Raises:
        RuntimeError: a tensor of the encoder is missing, is left over or has another shape.
    """
    # SOLUTION-BEGIN Part 6: load_encoder
    # Pick the encoder's tensors out of `state` and load them into net.encoder, whose own state dict has the
    # same keys without the part that stands for the encoder.
    # Take care that loading nothing, or not everything, is an error: `strict=False` would hide it.

    prefix = "encoder."
    encoder = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    net.encoder.load_state_dict(encoder, strict=True)
    # SOLUTION-END


def freeze_encoder(net: nn.Module) -> None:
    """Keep training from changing `net.encoder` (handout, Part 6, option b)."""
    # SOLUTION-BEGIN Part 6: freeze_encoder
    # No gradient is to be computed for the encoder's parameters.

    net.encoder.requires_grad_(False)
    # SOLUTION-END


def build_training(
    model: nn.Module, lr: float
) -> tuple[
    torch.optim.Optimizer,
    torch.optim.lr_scheduler.LRScheduler,
    Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
]:
    """Return the optimizer of the parameters that are not frozen, the scheduler and the loss.

    The loss takes labels 0..c-1, and 255 for pixels to leave out, which Cityscapes has (handout, Part 6).
    """
    # SOLUTION-BEGIN Part 6: build_training
    # As in train.py, but for two things: the optimizer is given only those parameters that are to be trained,
    # and the loss leaves out pixels of label 255.

    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=lr, amsgrad=True)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.98)
    return optimizer, scheduler, nn.CrossEntropyLoss(ignore_index=255)
    # SOLUTION-END


def build_model(num_classes: int, pretrained: Path | None, decoder: str, *, freeze: bool) -> DeepSegmenter:
    """Return a SegFormer with the encoder of the file `pretrained`, if there is one, frozen if `freeze`.

    `decoder` is a key of `DECODERS`.

    Raises:
        SystemExit: the file cannot be read or its encoder does not fit.
    """
    net = SegFormer(num_classes, DECODERS[decoder])
    if pretrained is not None:
        with mismatch_told(pretrained):
            load_encoder(net, read_state_dict(pretrained))
    if freeze:
        if pretrained is None:
            print("warning: --freeze-encoder without --pretrained freezes random weights", file=sys.stderr)
        freeze_encoder(net)
    return DeepSegmenter(net)


def main(argv: Sequence[str] | None = None) -> None:
    """Train as the command line asks for."""
    parser = training_parser(
        "Train the SegFormer; --dataset city: 40 epochs and batches of 16.", epochs=None, batch_size=None
    )
    add = parser.add_argument
    add("--dataset", choices=tuple(DEFAULTS), default="oxford", help="the data to train on (%(default)s)")
    add("--pretrained", type=Path, metavar="FILE", help="saved SegFormer whose encoder is to start from")
    add("--freeze-encoder", action="store_true", help="train the decoder only")
    add("--decoder", choices=tuple(DECODERS), default="plain", help="fused: the same scores, sooner (%(default)s)")
    args = parser.parse_args(argv)
    parser.set_defaults(**DEFAULTS[args.dataset])
    args = parser.parse_args(argv)

    torch.manual_seed(args.seed)
    device = choose_device(args.device)
    train_data, val_data = open_data(args.dataset, args.data_root, args.image_size)
    classes = train_data.classes_seg
    model = build_model(len(classes), args.pretrained, args.decoder, freeze=args.freeze_encoder)
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
