from abc import ABCMeta, abstractmethod
import torch


class PerformanceMeasure(metaclass=ABCMeta):
    '''
    A performance measure.
    '''

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

        self.reset()

    def reset(self) -> None:
        self.inter = torch.zeros(len(self.classes))
        self.union = torch.zeros(len(self.classes))
        self.miou = 0.0

    def update(self, prediction: torch.Tensor, target: torch.Tensor) -> None:
        if prediction.ndim != 4:
            raise ValueError('prediction.ndim != 4')
        if target.ndim != 3:
            raise ValueError('target.ndim != 3')
        if prediction.shape[1] != len(self.classes):
            raise ValueError('wrong nr of classes')
        if prediction.shape[0] != target.shape[0] or prediction.shape[2] != target.shape[1] or prediction.shape[3] != target.shape[2]:
            raise ValueError('shapes of prediction and target')
        # 0..c-1 or 255
        if ((target < 0) | ((target >= len(self.classes)) & (target != 255))).any():
            raise ValueError('target values')

        pred = torch.argmax(prediction, 1)
        ok = (target != 255)

        for k in range(len(self.classes)):
            p = (pred == k) & ok
            t = (target == k) & ok
            self.inter[k] += (p & t).sum().item()
            self.union[k] += (p | t).sum().item()

    def __str__(self):
        return f'mIoU: {self.miou:.2f}'

    def mIoU(self) -> float:
        if self.union.sum() == 0:
            return 0.0
        # classes without pixels give nan
        iou = self.inter / self.union
        self.miou = torch.nanmean(iou).item()
        return self.miou
