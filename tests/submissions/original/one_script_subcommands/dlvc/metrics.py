"""Mean intersection over union for semantic segmentation."""
from abc import ABCMeta, abstractmethod
from typing import Sequence

import torch
from torch import Tensor


class PerformanceMeasure(metaclass=ABCMeta):
    @abstractmethod
    def reset(self) -> None: ...

    @abstractmethod
    def update(self, prediction: Tensor, target: Tensor) -> None: ...

    @abstractmethod
    def __str__(self) -> str: ...


class SegMetrics(PerformanceMeasure):
    IGNORE = 255

    def __init__(self, classes: Sequence):
        self.classes = classes
        self.num_classes = len(classes)
        self.reset()

    def reset(self) -> None:
        self.tp = torch.zeros(self.num_classes, dtype=torch.int64)
        self.fp = torch.zeros(self.num_classes, dtype=torch.int64)
        self.fn = torch.zeros(self.num_classes, dtype=torch.int64)

    def _check(self, prediction: Tensor, target: Tensor) -> None:
        if not (isinstance(prediction, Tensor) and isinstance(target, Tensor)):
            raise ValueError("prediction and target have to be tensors")
        if prediction.ndim != 4:
            raise ValueError(f"prediction: 4 dimensions expected, got {prediction.ndim}")
        if target.ndim != 3:
            raise ValueError(f"target: 3 dimensions expected, got {target.ndim}")
        if prediction.shape[1] != self.num_classes:
            raise ValueError(f"prediction: {self.num_classes} classes expected, got {prediction.shape[1]}")
        if prediction[:, 0].shape != target.shape:
            raise ValueError(f"prediction {list(prediction.shape)} does not fit to target {list(target.shape)}")
        bad = ((target < 0) | (target >= self.num_classes)) & (target != self.IGNORE)
        if bad.any():
            raise ValueError(f"target: unknown values {target[bad].unique().tolist()}")

    def update(self, prediction: Tensor, target: Tensor) -> None:
        self._check(prediction, target)
        labels = torch.argmax(prediction, dim=1)
        mask = target != self.IGNORE
        labels, target = labels[mask], target[mask]
        for c in range(self.num_classes):
            is_pred, is_true = labels == c, target == c
            self.tp[c] += torch.sum(is_pred & is_true).cpu()
            self.fp[c] += torch.sum(is_pred & ~is_true).cpu()
            self.fn[c] += torch.sum(~is_pred & is_true).cpu()

    def mIoU(self) -> float:
        denominator = self.tp + self.fp + self.fn
        iou = torch.where(denominator > 0, self.tp / denominator, torch.zeros(self.num_classes))
        return iou.mean().item()

    def __str__(self) -> str:
        return f"mIou: {self.mIoU():.4f}"
