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
    '''
    Mean Intersection over Union.
    '''

    def __init__(self, classes):
        self.classes = classes
        self.numClasses = len(classes)
        self.intersections = None
        self.unions = None
        self.reset()

    def reset(self) -> None:
        self.intersections = torch.zeros(self.numClasses, dtype=torch.long)
        self.unions = torch.zeros(self.numClasses, dtype=torch.long)

    def checkInputs(self, prediction, target):
        if not isinstance(prediction, torch.Tensor):
            raise TypeError("prediction is not a tensor")
        if not isinstance(target, torch.Tensor):
            raise TypeError("target is not a tensor")
        if prediction.dim() != 4:
            raise ValueError("prediction: (b,c,h,w) expected, got %s" % str(prediction.shape))
        if target.dim() != 3:
            raise ValueError("target: (b,h,w) expected, got %s" % str(target.shape))
        if prediction.size(1) != self.numClasses:
            raise ValueError("prediction: %d classes expected, got %d" % (self.numClasses, prediction.size(1)))
        batch, height, width = target.size()
        if prediction.size(0) != batch or prediction.size(2) != height or prediction.size(3) != width:
            raise ValueError("prediction and target do not fit: %s, %s" % (str(prediction.shape), str(target.shape)))
        allowed = torch.tensor(list(range(self.numClasses)) + [255], device=target.device)
        if not torch.isin(target, allowed).all():
            raise ValueError("target has values which are no class")

    def update(self, prediction: torch.Tensor, target: torch.Tensor) -> None:
        self.checkInputs(prediction, target)

        predictedClasses = prediction.softmax(dim=1).argmax(dim=1)
        validPixels = target.ne(255)

        for classIdx in range(self.numClasses):
            isPredicted = predictedClasses.eq(classIdx).logical_and(validPixels)
            isTarget = target.eq(classIdx)
            self.intersections[classIdx] += isPredicted.logical_and(isTarget).sum().cpu()
            self.unions[classIdx] += isPredicted.logical_or(isTarget).sum().cpu()

    def __str__(self):
        return "mIou: {:.4f}".format(self.mIoU())

    def mIoU(self) -> float:
        iouSum = 0.0
        for classIdx in range(self.numClasses):
            # Nenner 0 -> Klasse zaehlt als 0
            if self.unions[classIdx] > 0:
                iouSum += (self.intersections[classIdx] / self.unions[classIdx]).item()
        return iouSum / self.numClasses
