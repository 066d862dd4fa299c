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
        self.n = len(classes)
        self.reset()

    def reset(self) -> None:
        # Schnitt und Vereinigung pro Klasse
        self.inter = [0] * self.n
        self.union = [0] * self.n
        self.miou = torch.tensor(0.0)

    def update(self, prediction: torch.Tensor, target: torch.Tensor) -> None:
        if len(prediction.shape) != 4:
            raise ValueError("prediction must have 4 dims (b,c,h,w)")
        if len(target.shape) != 3:
            raise ValueError("target must have 3 dims (b,h,w)")
        if prediction.shape[0] != target.shape[0]:
            raise ValueError("batch size is different")
        if prediction.shape[1] != self.n:
            raise ValueError("number of classes is different")
        if prediction.shape[2] != target.shape[1] or prediction.shape[3] != target.shape[2]:
            raise ValueError("image size is different")
        for v in torch.unique(target).tolist():
            if v != 255 and v not in range(self.n):
                raise ValueError("unknown label %s" % v)

        # jedes Bild einzeln
        for i in range(prediction.shape[0]):
            pred = prediction[i].argmax(dim=0)
            gt = target[i]
            ok = gt != 255
            for c in range(self.n):
                p_mask = (pred == c) & ok
                t_mask = (gt == c) & ok
                self.inter[c] += (p_mask & t_mask).sum().item()
                self.union[c] += (p_mask | t_mask).sum().item()

    def __str__(self):
        return f"mIoU: {self.miou:.2f}"

    def mIoU(self) -> float:
        ious = torch.zeros(self.n)
        for c in range(self.n):
            if self.union[c] > 0:
                ious[c] = self.inter[c] / self.union[c]
        self.miou = ious.mean()
        return self.miou
