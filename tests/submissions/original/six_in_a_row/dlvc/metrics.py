from abc import ABCMeta, abstractmethod
import torch


class PerformanceMeasure(metaclass=ABCMeta):

    @abstractmethod
    def reset(self):
        pass

    @abstractmethod
    def update(self, prediction: torch.Tensor, target: torch.Tensor):
        pass

    @abstractmethod
    def __str__(self) -> str:
        pass


class SegMetrics(PerformanceMeasure):
    '''
    Mean Intersection over Union.
    '''

    def __init__(self, classes):
        self.classes = classes
        self.num_classes = classes if isinstance(classes, int) else len(classes)

        self.reset()

    def reset(self) -> None:
        self.tp = [0] * self.num_classes
        self.fp = [0] * self.num_classes
        self.fn = [0] * self.num_classes

    def update(self, prediction: torch.Tensor, target: torch.Tensor) -> None:

        # check dimensions
        if len(prediction.shape) != 4:
            raise ValueError("Prediction must have 4 dimensions (b,c,h,w)")
        if len(target.shape) != 3:
            raise ValueError("Target must have 3 dimensions (b,h,w)")

        b, c, h, w = prediction.shape
        if c != self.num_classes:
            raise ValueError("Number of classes does not match: " + str(c) + " != " + str(self.num_classes))
        if target.shape[0] != b:
            raise ValueError("Batch sizes do not match")
        if target.shape[1] != h or target.shape[2] != w:
            raise ValueError("Height / width do not match")

        # check values
        for value in torch.unique(target):
            v = value.item()
            if v != 255 and v not in range(self.num_classes):
                raise ValueError("Invalid class label in target: " + str(v))

        pred = torch.argmax(prediction, dim=1)

        valid = target != 255
        pred = pred[valid]
        target = target[valid]

        for c in range(self.num_classes):
            self.tp[c] += torch.sum((pred == c) & (target == c)).item()
            self.fp[c] += torch.sum((pred == c) & (target != c)).item()
            self.fn[c] += torch.sum((pred != c) & (target == c)).item()

    def __str__(self):
        return "mIou: " + str(self.mIoU())

    def mIoU(self) -> float:
        ious = []
        for c in range(self.num_classes):
            denominator = self.tp[c] + self.fp[c] + self.fn[c]
            if denominator == 0:
                ious.append(0.0)
            else:
                ious.append(self.tp[c] / denominator)
        return sum(ious) / len(ious)
