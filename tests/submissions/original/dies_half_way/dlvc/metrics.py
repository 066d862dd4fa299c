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
        self.iou_list = []

    def reset(self) -> None:
        '''
        Resets the internal state.
        '''
        self.iou_list = []

    def update(self, prediction: torch.Tensor,
               target: torch.Tensor) -> None:
        '''
        Update the measure by comparing predicted data with ground-truth target data.
        '''
        if len(prediction.size()) != 4:
            raise ValueError("prediction wrong shape")
        if len(target.size()) != 3:
            raise ValueError("target wrong shape")
        if prediction.size(0) != target.size(0):
            raise ValueError("batch not the same")

        prediction = torch.argmax(prediction, dim=1)

        # do not use 255
        target = target.clone()
        if 255 in target:
            target[target == 255] = -1

        all_ious = []
        for i in range(len(self.classes)):
            TP = ((prediction == i) & (target == i)).sum().item()
            FP = ((prediction == i) & (target != i)).sum().item()
            FN = ((prediction != i) & (target == i)).sum().item()
            if TP + FP + FN == 0:
                all_ious.append(0)
            else:
                all_ious.append(TP / (TP + FP + FN))

        self.iou_list.append(sum(all_ious) / len(all_ious))

    def __str__(self):
        '''
        Return a string representation of the performance, mean IoU.
        e.g. "mIou: 0.54"
        '''
        return "mIou: " + str(round(self.mIoU(), 2))

    def mIoU(self) -> float:
        '''
        Compute and return the mean IoU as a float between 0 and 1.
        Returns 0 if no data is available (after resets).
        If the denominator for IoU calculation for one of the classes is 0,
        use 0 as IoU for this class.
        '''
        if self.iou_list == []:
            return 0.0
        return sum(self.iou_list) / len(self.iou_list)
