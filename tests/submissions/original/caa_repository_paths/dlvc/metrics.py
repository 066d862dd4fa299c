from abc import ABCMeta, abstractmethod

import torch


class PerformanceMeasure(metaclass=ABCMeta):
    """
    A performance measure.
    """

    @abstractmethod
    def reset(self):
        """
        Resets internal state.
        """
        pass

    @abstractmethod
    def update(self, prediction: torch.Tensor, target: torch.Tensor):
        """
        Update the measure by comparing predicted data with ground-truth target data.
        """
        pass

    @abstractmethod
    def __str__(self) -> str:
        pass


class SegMetrics(PerformanceMeasure):
    """
    Mean Intersection over Union.
    """

    def __init__(self, classes):
        self.classes = classes
        self.num_classes = len(classes)
        self.ignore_label = 255
        self.reset()

    def reset(self) -> None:
        # rows = ground truth, cols = prediction
        self.confusion = torch.zeros((self.num_classes, self.num_classes), dtype=torch.long)

    def update(self, prediction: torch.Tensor, target: torch.Tensor) -> None:
        """
        prediction: (b,c,h,w) scores, target: (b,h,w)
        """
        if prediction.ndim != 4:
            raise ValueError(f"prediction should be (b,c,h,w) but has shape {tuple(prediction.shape)}")
        if target.ndim != 3:
            raise ValueError(f"target should be (b,h,w) but has shape {tuple(target.shape)}")

        b, c, h, w = prediction.shape
        if c != self.num_classes:
            raise ValueError(f"expected {self.num_classes} classes, got {c}")
        if target.shape != (b, h, w):
            raise ValueError(f"shapes do not match: {tuple(prediction.shape)} vs {tuple(target.shape)}")

        valid = target != self.ignore_label
        gt = target[valid].long().cpu()
        if gt.numel() > 0 and (gt.min() < 0 or gt.max() >= self.num_classes):
            raise ValueError(f"target values must be between 0 and {self.num_classes - 1} (or 255)")

        pred = prediction.argmax(dim=1)[valid].cpu()
        hist = torch.bincount(gt * self.num_classes + pred, minlength=self.num_classes ** 2)
        self.confusion += hist.view(self.num_classes, self.num_classes)

    def __str__(self):
        return f"mIou: {self.mIoU():.2f}"

    def mIoU(self) -> float:
        tp = self.confusion.diag().double()
        denom = self.confusion.sum(0) + self.confusion.sum(1) - self.confusion.diag()
        # clamp => 0/1 = 0 if the class was never seen
        iou = tp / denom.clamp(min=1)
        return iou.mean().item()
