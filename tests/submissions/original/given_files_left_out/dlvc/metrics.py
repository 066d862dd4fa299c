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
        pass

    @abstractmethod
    def update(self, prediction: torch.Tensor, target: torch.Tensor):
        pass

    @abstractmethod
    def __str__(self) -> str:
        pass


class SegMetrics(PerformanceMeasure):

    def __init__(self, classes):
        # can be the list of the dataset or simply the number
        self.num_classes = classes if isinstance(classes, int) else len(classes)
        self.classes = classes
        self.reset()

    def reset(self) -> None:
        self.intersections = torch.zeros(self.num_classes)
        self.pred_area = torch.zeros(self.num_classes)
        self.true_area = torch.zeros(self.num_classes)

    def update(self, prediction: torch.Tensor, target: torch.Tensor) -> None:
        # type / shape checks
        if prediction.dim() != 4:
            raise ValueError(f'Prediction must be 4 dimensional, is {prediction.dim()}')
        if target.dim() != 3:
            raise ValueError(f'Target must be 3 dimensional, is {target.dim()}')
        if prediction.shape[0] != target.shape[0]:
            raise ValueError('Batch size of prediction and target differ')
        if prediction.shape[-2:] != target.shape[-2:]:
            raise ValueError('Height/width of prediction and target differ')
        if prediction.shape[1] != self.num_classes:
            raise ValueError(f'Prediction must have {self.num_classes} channels')
        values = target[target != 255]
        if len(values) > 0:
            if values.min() < 0 or values.max() > self.num_classes - 1:
                raise ValueError('Target values out of range')

        pred = torch.argmax(prediction, dim=1)[target != 255].float().cpu()
        true = values.float().cpu()
        hits = pred[pred == true]

        n = self.num_classes
        # histc like in the mmseg implementation
        self.intersections += torch.histc(hits, bins=n, min=0, max=n - 1)
        self.pred_area += torch.histc(pred, bins=n, min=0, max=n - 1)
        self.true_area += torch.histc(true, bins=n, min=0, max=n - 1)

    def __str__(self):
        return f'mIoU: {round(self.mIoU(), 2)}'

    def mIoU(self) -> float:
        union = self.pred_area + self.true_area - self.intersections
        total = 0.0
        for c in range(self.num_classes):
            if union[c] == 0:
                continue  # counts as 0
            total += (self.intersections[c] / union[c]).item()
        return total / self.num_classes
