"""Part 2: how well a segmentation agrees with the ground truth."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch

IGNORED_LABEL = 255  # pixels that belong to no class, such as the border of a Cityscapes image


class PerformanceMeasure(ABC):
    """A number that is gathered over the batches of an epoch."""

    @abstractmethod
    def reset(self) -> None:
        """Forget everything seen so far."""

    @abstractmethod
    def update(self, prediction: torch.Tensor, target: torch.Tensor) -> None:
        """Take a batch's predictions and their ground truth into account."""

    @abstractmethod
    def __str__(self) -> str:
        """Return the measure's name and its value."""


class SegMetrics(PerformanceMeasure):
    """Mean intersection over union (mIoU) of all pixels seen since the last reset.

    `classes` has one entry for each class, such as the class names; their number alone is accepted too. A
    class's IoU is TP / (TP + FP + FN), counted in pixels over all batches together.

    Raises:
        ValueError: there is no class, or more than there are labels beside 255.
    """

    def __init__(self, classes: Sequence[object] | int):
        self.classes = range(classes) if isinstance(classes, int) else classes
        if not 1 <= len(self.classes) <= IGNORED_LABEL:
            raise ValueError(f"classes: expected 1 to {IGNORED_LABEL}, found {len(self.classes)}")
        self.reset()

    def reset(self) -> None:
        """Forget all batches: as if no pixel had been seen."""
        n = len(self.classes)
        self.tp = torch.zeros(n, dtype=torch.long)
        self.fp = torch.zeros(n, dtype=torch.long)
        self.fn = torch.zeros(n, dtype=torch.long)

    def update(self, prediction: torch.Tensor, target: torch.Tensor) -> None:
        """Count a batch's pixels; neither input is changed.

        Args:
            prediction: (b, c, h, w), a score for each class; the class with the highest score is predicted.
            target: (b, h, w), integer labels 0..c-1, or 255 for pixels that are counted nowhere.

        Raises:
            TypeError: an input is not a tensor.
            ValueError: a wrong number of dimensions; b, h or w of the inputs differ; c is not the number of
                classes; target is not of an integer type, or has labels other than 0..c-1 and 255.
        """
        if not torch.is_tensor(prediction) or not torch.is_tensor(target):
            raise TypeError("prediction and target must be tensors")
        if prediction.dim() != 4 or target.dim() != 3:
            raise ValueError(f"wrong dimensions: {prediction.shape} and {target.shape}")
        if prediction.shape[0] != target.shape[0] or prediction.shape[2:] != target.shape[1:]:
            raise ValueError(f"shapes do not match: {prediction.shape} and {target.shape}")
        if prediction.shape[1] != len(self.classes):
            raise ValueError(f"expected {len(self.classes)} classes, got {prediction.shape[1]}")
        if target.is_floating_point() or target.dtype == torch.bool:
            raise ValueError(f"target has to hold whole numbers, not {target.dtype}")
        valid = target != 255
        labels = target[valid]
        if labels.numel() > 0 and (labels.min() < 0 or labels.max() >= len(self.classes)):
            raise ValueError("target has labels that are no class")

        pred = prediction.argmax(dim=1)[valid]
        for k in range(len(self.classes)):
            self.tp[k] += ((pred == k) & (labels == k)).sum().cpu()
            self.fp[k] += ((pred == k) & (labels != k)).sum().cpu()
            self.fn[k] += ((pred != k) & (labels == k)).sum().cpu()

    def mIoU(self) -> float:  # noqa: N802, the name of the field and of the handout
        """Return the mean over all classes of TP / (TP + FP + FN), in 0..1.

        A class that is neither in a target nor in a prediction (its denominator is 0) counts as 0 and is
        still one of the classes that the mean is over. Before the first update the mean is 0.0.
        """
        union = self.tp + self.fp + self.fn
        seen = union > 0
        if not seen.any():
            return 0.0
        return (self.tp[seen] / union[seen]).mean().item()

    def __str__(self) -> str:
        """Return the mIoU in this form: `mIoU: 0.54`."""
        return f"mIoU: {self.mIoU():.4f}"
