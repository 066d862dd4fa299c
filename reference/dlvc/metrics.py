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
        # SOLUTION-BEGIN Part 2: SegMetrics.reset
        # Start with an empty confusion matrix of shape (c, c): how many pixels of each true class were
        # predicted as each class. Long trainings count more pixels than float32 or int32 hold exactly.

        self.confusion = torch.zeros(len(self.classes), len(self.classes), dtype=torch.int64)
        # SOLUTION-END

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
        # SOLUTION-BEGIN Part 2: SegMetrics.update
        # First check the inputs: raise what the docstring lists, and say what was expected and what found.
        # Mind the order: unpacking the shape of a tensor with too few dimensions, for instance, fails by
        # accident, with an error that helps nobody.
        # Then add the batch to the confusion matrix, without the pixels of label 255. A loop over pixels is
        # far too slow: give each pair (label, prediction) a number of its own, and count them in one call.

        for name, value in (("prediction", prediction), ("target", target)):
            if not isinstance(value, torch.Tensor):
                raise TypeError(f"{name}: expected a torch.Tensor, found {type(value).__name__}")
        c = len(self.classes)
        if prediction.ndim != 4 or prediction.shape[1] != c:
            raise ValueError(f"prediction: expected shape (b, {c}, h, w), found {tuple(prediction.shape)}")
        b, _, h, w = prediction.shape
        if target.shape != (b, h, w):
            raise ValueError(f"target: expected shape {(b, h, w)}, found {tuple(target.shape)}")
        if target.is_floating_point() or target.is_complex() or target.dtype == torch.bool:
            raise ValueError(f"target: expected integer labels, found {target.dtype}")

        labels = target.to(prediction.device, torch.int64)
        counted = labels != IGNORED_LABEL
        foreign = labels[counted & ((labels < 0) | (labels >= c))].unique().tolist()
        if foreign:
            raise ValueError(f"target: expected labels 0..{c - 1} or {IGNORED_LABEL}, found {foreign}")
        predicted = prediction.argmax(dim=1)  # (b h w)
        pairs = c * labels[counted] + predicted[counted]
        self.confusion += torch.bincount(pairs, minlength=c * c).reshape(c, c).cpu()
        # SOLUTION-END

    def mIoU(self) -> float:  # noqa: N802, the name of the field and of the handout
        """Return the mean over all classes of TP / (TP + FP + FN), in 0..1.

        A class that is neither in a target nor in a prediction (its denominator is 0) counts as 0 and is
        still one of the classes that the mean is over. Before the first update the mean is 0.0.
        """
        # SOLUTION-BEGIN Part 2: SegMetrics.mIoU
        # Take TP, FP and FN of each class from the confusion matrix: the handout writes the fraction out for
        # three classes. Return a Python float, and divide by zero nowhere.

        true_positives = self.confusion.diagonal().double()
        union = self.confusion.sum(dim=0) + self.confusion.sum(dim=1) - self.confusion.diagonal()
        # A class without pixels has 0 true positives: any divisor but 0 gives the 0 that it counts as.
        return (true_positives / union.clamp(min=1)).mean().item()
        # SOLUTION-END

    def __str__(self) -> str:
        """Return the mIoU in this form: `mIoU: 0.54`."""
        # SOLUTION-BEGIN Part 2: SegMetrics.__str__
        # The value has two digits after the point, rounded.

        return f"mIoU: {self.mIoU():.2f}"
        # SOLUTION-END
