from abc import ABCMeta, abstractmethod

import torch


class PerformanceMeasure(metaclass=ABCMeta):
    '''
    A performance measure.
    '''

    @abstractmethod
    def reset(self):
        '''
        Resets internal state.
        '''

    @abstractmethod
    def update(self, prediction: torch.Tensor, target: torch.Tensor):
        '''
        Update the measure by comparing predicted data with ground-truth target data.
        Raises ValueError if the data shape or values are unsupported.
        '''

    @abstractmethod
    def __str__(self) -> str:
        '''
        Return a string representation of the performance.
        '''


class SegMetrics(PerformanceMeasure):
    '''
    Mean Intersection over Union.
    '''

    IGNORE = 255

    def __init__(self, classes):
        self.classes = classes
        self.n = len(classes)
        self.reset()

    def reset(self) -> None:
        # rows: ground truth, columns: prediction
        self.confusion = torch.zeros(self.n, self.n, dtype=torch.int64)

    def _check(self, prediction, target):
        if not torch.is_tensor(prediction) or not torch.is_tensor(target):
            raise ValueError("prediction and target have to be torch tensors")
        if prediction.ndim != 4:
            raise ValueError(f"prediction has to be (b,c,h,w), but has shape {tuple(prediction.shape)}")
        if target.ndim != 3:
            raise ValueError(f"target has to be (b,h,w), but has shape {tuple(target.shape)}")
        if prediction.shape[1] != self.n:
            raise ValueError(f"expected {self.n} class scores, got {prediction.shape[1]}")
        if prediction.shape[0] != target.shape[0] or prediction.shape[2:] != target.shape[1:]:
            raise ValueError(f"shapes do not match: {tuple(prediction.shape)} and {tuple(target.shape)}")
        if target.is_floating_point() or target.dtype == torch.bool:
            raise ValueError(f"labels have to be integers, got {target.dtype}")

        ok = ((target >= 0) & (target < self.n)) | (target == self.IGNORE)
        if not bool(ok.all()):
            raise ValueError(f"labels have to be in 0..{self.n - 1} or {self.IGNORE}")

    def update(self, prediction: torch.Tensor, target: torch.Tensor) -> None:
        '''
        prediction: scores (b,c,h,w), target: labels (b,h,w) with 0..c-1 (and 255 = ignore)
        '''
        self._check(prediction, target)

        guess = prediction.argmax(dim=1)
        keep = target != self.IGNORE
        truth = target[keep].to(torch.int64)
        guess = guess[keep]

        hist = torch.bincount(truth * self.n + guess, minlength=self.n ** 2)
        self.confusion += hist.reshape(self.n, self.n).cpu()

    def mIoU(self) -> float:
        '''
        0 if nothing was seen. A class with denominator 0 counts as 0.
        '''
        tp = self.confusion.diagonal().double()
        fp = self.confusion.sum(dim=0).double() - tp
        fn = self.confusion.sum(dim=1).double() - tp
        denom = tp + fp + fn
        iou = torch.where(denom > 0, tp / denom.clamp(min=1), torch.zeros_like(tp))
        return iou.mean().item()

    def __str__(self):
        return f"mIou: {self.mIoU():.2f}"
