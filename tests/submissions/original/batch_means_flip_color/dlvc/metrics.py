from abc import ABCMeta, abstractmethod

import torch
import torch.nn.functional as F


class PerformanceMeasure(metaclass=ABCMeta):
    """A performance measure."""

    @abstractmethod
    def reset(self):
        """Resets internal state."""

    @abstractmethod
    def update(self, prediction: torch.Tensor, target: torch.Tensor):
        """Update the measure."""

    @abstractmethod
    def __str__(self) -> str:
        """String representation."""


class SegMetrics(PerformanceMeasure):
    """Mean Intersection over Union."""

    def __init__(self, classes):
        self.classes = classes
        self.reset()

    def reset(self) -> None:
        self.confusion_matrix = torch.zeros(len(self.classes), len(self.classes), dtype=torch.float64)

    def update(self, prediction: torch.Tensor, target: torch.Tensor) -> None:
        num_classes = len(self.classes)

        # Check the inputs
        if len(prediction.size()) != 4 or len(target.size()) != 3:
            raise ValueError("The prediction must be of shape (b,c,h,w) and the target of shape (b,h,w).")
        b, c, h, w = prediction.size()
        if c != num_classes:
            raise ValueError("The number of classes does not match.")
        if tuple(target.size()) != (b, h, w):
            raise ValueError("Prediction and target do not have the same size.")
        if torch.any((target != 255) & ((target < 0) | (target >= num_classes))):
            raise ValueError("The target contains invalid class labels.")

        # Remove the ignored pixels
        prediction = torch.argmax(prediction, dim=1).flatten()
        target = target.flatten()
        valid = target != 255
        prediction = prediction[valid].cpu().long()
        target = target[valid].cpu().long()

        # One-hot encode and multiply to get the confusion matrix
        prediction_one_hot = F.one_hot(prediction, num_classes).double()
        target_one_hot = F.one_hot(target, num_classes).double()
        self.confusion_matrix += target_one_hot.T @ prediction_one_hot

    def __str__(self):
        return f"mIoU: {self.mIoU():.2f}"

    def mIoU(self) -> float:
        # If nothing was seen yet
        if self.confusion_matrix.sum() == 0:
            return 0.0
        iou_per_class = []
        for i in range(len(self.classes)):
            true_positives = self.confusion_matrix[i, i]
            false_positives = self.confusion_matrix[:, i].sum() - true_positives
            false_negatives = self.confusion_matrix[i, :].sum() - true_positives
            denominator = true_positives + false_positives + false_negatives
            iou_per_class.append((true_positives / denominator).item() if denominator != 0 else 0.0)
        return sum(iou_per_class) / len(iou_per_class)
