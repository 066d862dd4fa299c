"""What a trainer is given in place of the real things: a network, a loss and so on that note how they are used.

All of them are the real PyTorch classes, or have the interface that the handout gives them, and they do real work. They
also accept what the contract forbids, such as labels of a wrong shape, and note it: so one mistake stays one mistake.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

SHADES = 8  # between the red of one sample and the next; a JPEG file is off by less than half of it
IGNORED = 255


class EventLog:
    """Everything that happened, in order; `phases` are the epochs of training and validation it belongs to.

    Args:
        train_samples: samples below this number are there to train on, the others to validate on.
    """

    def __init__(self, train_samples: int) -> None:
        self.train_samples = train_samples
        self.events: list[dict[str, Any]] = []
        self.phases: list[dict[str, Any]] = []
        self.inside: str | None = None
        self.samples: list[int] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> "EventLog":
        """A copy of the model, kept by a trainer as its best one, goes on noting here."""
        return self

    def begin(self, kind: str) -> None:
        """Note that a phase of `kind`, `train` or `val`, begins."""
        self.phases.append({"kind": kind, "returned": None, "kind_returned": None, "metric": None, "passes": None})

    def note(self, what: str, **details: Any) -> None:
        """Note an event of the current phase."""
        self.events.append({"what": what, "phase": len(self.phases) - 1, **details})

    def trained_epochs(self) -> int:
        """How many epochs of training have begun."""
        return sum(phase["kind"] == "train" for phase in self.phases)


class TinyNet(nn.Module):
    """Scores (b, c, h, w) from each pixel's colour, and from the sample itself, which it knows by its red.

    Only the samples of a batch have a gradient in their row of `own`, so a gradient tells which batches are in it. The
    buffer `passes` counts training batches, so that a saved state has its moment in it, whatever was learned.

    Args:
        samples: how many there are.
        classes: c.
        log: notes every forward pass.
        as_mapping: give the scores as torchvision's networks do, under the key `out`.
    """

    passes: torch.Tensor

    def __init__(self, samples: int, classes: int, log: EventLog, *, as_mapping: bool) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        self.mix = nn.Conv2d(3, classes, 1)
        self.own = nn.Parameter(torch.zeros(samples, classes))
        self.register_buffer("passes", torch.zeros((), dtype=torch.long))
        self.log = log
        self.as_mapping = as_mapping

    def forward(self, images: torch.Tensor) -> torch.Tensor | Mapping[str, torch.Tensor]:
        """Note samples, mode, gradients and predicted labels, then return the scores."""
        red = (images[:, 0, 0, 0].detach() * 255).round().long()
        samples = (red // SHADES).clamp(0, len(self.own) - 1)
        self._enter_phase(samples.tolist())
        if self.log.phases[-1]["kind"] == "train":
            self.passes += 1
        scores = self.mix(self.norm(images)) + self.own[samples][:, :, None, None]
        self.log.note(
            "forward",
            samples=samples.tolist(),
            training=self.norm.training,
            gradients=scores.requires_grad,
            predicted=scores.detach().argmax(dim=1).tolist(),
        )
        return OrderedDict(out=scores) if self.as_mapping else scores

    def _enter_phase(self, samples: list[int]) -> None:
        log = self.log
        log.samples = samples
        kind = "train" if samples[0] < log.train_samples else "val"
        if log.inside is None and (not log.phases or log.phases[-1]["kind"] != kind):
            log.begin(kind)
        if log.phases[-1]["passes"] is None:
            log.phases[-1]["passes"] = int(self.passes)


class Loss(nn.CrossEntropyLoss):
    """Cross-entropy, a mean over the pixels of a batch, that notes what it was given."""

    def __init__(self, log: EventLog) -> None:
        super().__init__(ignore_index=IGNORED)
        self.log = log

    def forward(self, input: Any, target: torch.Tensor) -> torch.Tensor:  # noqa: A002 - torch's own name
        """Note both and return the loss, of labels that are no class as if they were the nearest one."""
        scores, labels = scores_in(input), maps_in(target)
        nearest = torch.where(labels == IGNORED, labels, labels.clamp(0, scores.shape[1] - 1))
        value = super().forward(scores, nearest)
        self.log.note(
            "loss",
            value=value.item(),
            size=len(labels),
            samples=self.log.samples,
            labels=labels.tolist(),
            shapes=[shape_of(input), shape_of(target)],
        )
        return value


class Metric:
    """A mean IoU with the interface of Part 2, or one that says what a script has for each epoch of training.

    Args:
        name: `train` or `val`.
        classes: one entry a class.
        log: notes resets and updates.
        script: values by epoch, counted from 0; None for the real one.
    """

    def __init__(self, name: str, classes: list[str], log: EventLog, script: list[float] | None) -> None:
        self.name = name
        self.classes = classes
        self.log = log
        self.script = script
        self.confusion = torch.zeros(len(classes), len(classes))

    def reset(self) -> None:
        """Forget everything."""
        self.log.note("reset", metric=self.name)
        self.confusion.zero_()

    def update(self, prediction: Any, target: torch.Tensor) -> None:
        """Count scores (b, c, h, w) against labels (b, h, w); labels that are no class are not counted."""
        scores, labels = scores_in(prediction), maps_in(target).cpu()
        predicted = (scores.argmax(dim=1) if scores.ndim == 4 else scores).detach().cpu().long()
        counted = (labels >= 0) & (labels < len(self.classes))
        ones = torch.ones(int(counted.sum()))
        self.confusion.index_put_((labels[counted], predicted[counted]), ones, accumulate=True)
        self.log.note(
            "update",
            metric=self.name,
            labels=labels.tolist(),
            predicted=predicted.tolist(),
            shapes=[shape_of(prediction), shape_of(target)],
        )
        if self.log.phases and self.log.phases[-1]["kind"] == self.name:
            self.log.phases[-1]["metric"] = self.mIoU()

    def mIoU(self) -> float:  # noqa: N802 - the handout's name
        """Mean over all classes of TP / (TP + FP + FN)."""
        if self.script is not None:
            return self.script[max(0, min(self.log.trained_epochs(), len(self.script)) - 1)]
        true = self.confusion.diagonal()
        union = self.confusion.sum(dim=0) + self.confusion.sum(dim=1) - true
        return float((true / union.clamp(min=1)).mean())

    def __str__(self) -> str:
        return f"mIoU: {self.mIoU():.2f}"


class Descent(torch.optim.SGD):
    """Gradient descent that notes at every step its learning rate and the samples whose gradients it takes."""

    def __init__(self, net: TinyNet, log: EventLog, lr: float, momentum: float) -> None:
        super().__init__(net.parameters(), lr=lr, momentum=momentum)
        self.net = net
        self.log = log

    def step(self, closure: Any = None) -> Any:
        """Note, then take the step."""
        own = self.net.own.grad
        samples = [] if own is None else own.abs().sum(dim=1).nonzero().flatten().tolist()
        self.log.note("step", lr=float(self.param_groups[0]["lr"]), samples=samples)
        return super().step(closure)


class Schedule(torch.optim.lr_scheduler.ExponentialLR):
    """An exponential schedule that notes its steps."""

    def __init__(self, optimizer: Descent, log: EventLog, gamma: float) -> None:
        self.log = log
        super().__init__(optimizer, gamma)
        log.events.clear()  # its constructor takes a first step, which is none of the trainer's

    def step(self, epoch: int | None = None) -> None:
        """Note, then take the step."""
        self.log.note("scheduler")
        super().step(epoch) if epoch is not None else super().step()


def scores_in(output: Any) -> torch.Tensor:
    """The scores, also of an output that should have been unwrapped."""
    scores: torch.Tensor = output["out"] if isinstance(output, Mapping) else output
    return scores


def maps_in(labels: torch.Tensor) -> torch.Tensor:
    """Labels as maps (b, h, w), also of labels (b, 1, h, w) that were not squeezed, or squeezed too far."""
    return labels.detach().long().reshape(-1, *labels.shape[-2:])


def shape_of(value: Any) -> list[int] | str:
    """The shape of a tensor, the type of anything else."""
    return list(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__
