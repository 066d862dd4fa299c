from abc import ABCMeta, abstractmethod
import numpy as np
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
        pass

    @abstractmethod
    def update(self, prediction: torch.Tensor, target: torch.Tensor):
        '''
        Update the measure by comparing predicted data with ground-truth target data.
        Raises ValueError if the data shape or values are unsupported.
        '''
        pass

    @abstractmethod
    def __str__(self) -> str:
        '''
        Return a string representation of the performance.
        '''
        pass


class SegMetrics(PerformanceMeasure):

    def __init__(self, classes):
        self.classes = classes
        self.num_classes = len(self.classes)
        self.reset()

    def reset(self) -> None:
        self.conf_mat = np.zeros((self.num_classes, self.num_classes), dtype=np.int64)

    def update(self, prediction: torch.Tensor, target: torch.Tensor) -> None:
        if prediction.dim() != 4 or target.dim() != 3:
            raise ValueError(f"Unsupported shapes: prediction {prediction.shape}, target {target.shape}")
        if prediction.shape[1] != self.num_classes:
            raise ValueError("Second dimension of prediction must be the number of classes")
        if prediction.shape[0] != target.shape[0]:
            raise ValueError("Batch size of prediction and target must be the same")
        if prediction.shape[-2:] != target.shape[-2:]:
            raise ValueError("Spatial size of prediction and target must be the same")

        y_pred = prediction.detach().cpu().numpy().argmax(axis=1).ravel()
        y_true = target.detach().cpu().numpy().ravel()

        # exclude the void label
        mask = y_true != 255
        y_true, y_pred = y_true[mask], y_pred[mask]

        if y_true.size > 0 and (y_true.min() < 0 or y_true.max() >= self.num_classes):
            raise ValueError(f"Target values must be between 0 and {self.num_classes - 1}, or 255")

        np.add.at(self.conf_mat, (y_true, y_pred), 1)

    def __str__(self):
        return "mIoU: {:.4f}".format(self.mIoU())

    def mIoU(self) -> float:
        if self.conf_mat.sum() == 0:
            return 0.0

        intersection = np.diag(self.conf_mat)
        union = self.conf_mat.sum(axis=0) + self.conf_mat.sum(axis=1) - intersection
        iou = np.divide(intersection, union, out=np.zeros(self.num_classes), where=union != 0)
        return float(np.mean(iou))
