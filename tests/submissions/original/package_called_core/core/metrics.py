from abc import ABCMeta, abstractmethod

import torch


class PerformanceMeasure(metaclass=ABCMeta):
    '''
    What every performance measure has to offer.
    '''

    @abstractmethod
    def reset(self):
        '''
        Go back to the state of a new measure.
        '''
        pass

    @abstractmethod
    def update(self, prediction: torch.Tensor, target: torch.Tensor):
        '''
        Take the predictions of one more batch into account.
        Raises ValueError if the shape or the values of the data are not supported.
        '''
        pass

    @abstractmethod
    def __str__(self) -> str:
        '''
        The performance as text.
        '''
        pass


class SegMetrics(PerformanceMeasure):
    '''
    Mean intersection over union.
    '''

    # label of the pixels that nobody wants to be judged
    VOID = 255

    def __init__(self, classes):
        self.classes = classes
        self.num_classes = len(classes)
        self.reset()

    def reset(self) -> None:
        '''
        Forget everything that was counted.
        '''
        # rows: true class, columns: predicted class
        self.confusion = torch.zeros(self.num_classes, self.num_classes, dtype=torch.int64)

    def update(self, prediction: torch.Tensor, target: torch.Tensor) -> None:
        '''
        prediction: (b, c, h, w) with a score for each class
        target: (b, h, w) with labels 0 .. c-1, and 255 for pixels that are left out
        '''
        if not isinstance(prediction, torch.Tensor) or not isinstance(target, torch.Tensor):
            raise ValueError("prediction and target have to be tensors")
        if prediction.dim() != 4:
            raise ValueError(f"prediction should be (b,c,h,w) but has shape {tuple(prediction.shape)}")
        if target.dim() != 3:
            raise ValueError(f"target should be (b,h,w) but has shape {tuple(target.shape)}")

        b, c, h, w = prediction.shape
        if c != self.num_classes:
            raise ValueError(f"{self.num_classes} classes expected, prediction has {c}")
        if tuple(target.shape) != (b, h, w):
            raise ValueError(f"sizes differ: prediction {(b, h, w)}, target {tuple(target.shape)}")
        if torch.is_floating_point(target):
            raise ValueError("target should hold class indices, not floats")

        target = target.detach().cpu().long()
        valid = target != self.VOID
        wrong = valid & ((target < 0) | (target >= c))
        if wrong.any():
            raise ValueError(f"labels have to be 0..{c - 1} or {self.VOID}, found {target[wrong].unique().tolist()}")

        predicted = prediction.detach().argmax(dim=1).cpu()
        index = target[valid] * c + predicted[valid]
        self.confusion += torch.bincount(index, minlength=c * c).reshape(c, c)

    def __str__(self):
        return f"mIou: {self.mIoU():.2f}"

    def mIoU(self) -> float:
        '''
        Mean over the IoUs of all classes, 0 for a class (or everything) without any pixel.
        '''
        tp = self.confusion.diag().double()
        fp = self.confusion.sum(dim=0).double() - tp
        fn = self.confusion.sum(dim=1).double() - tp
        union = tp + fp + fn

        iou = torch.zeros_like(tp)
        seen = union > 0
        iou[seen] = tp[seen] / union[seen]
        return iou.mean().item()
