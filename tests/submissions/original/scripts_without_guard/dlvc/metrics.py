from abc import ABCMeta,abstractmethod
import numpy as np
import torch

class PerformanceMeasure(metaclass=ABCMeta):
    @abstractmethod
    def reset(self):
        pass
    @abstractmethod
    def update(self,prediction,target):
        pass
    @abstractmethod
    def __str__(self):
        pass

class SegMetrics(PerformanceMeasure):
    def __init__(self,classes):
        self.classes=classes
        self.reset()

    def reset(self):
        C=len(self.classes)
        self.cm=np.zeros((C,C),dtype=np.int64)

    def update(self,prediction,target):
        C=len(self.classes)
        if prediction.dim()!=4 or target.dim()!=3:
            raise ValueError("need prediction (b,c,h,w) and target (b,h,w), got {} and {}".format(prediction.shape,target.shape))
        if prediction.size(1)!=C:
            raise ValueError("need {} classes".format(C))
        if prediction.size(0)!=target.size(0) or prediction.shape[2:]!=target.shape[1:]:
            raise ValueError("sizes of prediction and target are not the same")
        t=target.detach().cpu().numpy().reshape(-1)
        if not np.isin(t,list(range(C))+[255]).all():
            raise ValueError("target has wrong labels")
        p=prediction.detach().argmax(1).cpu().numpy().reshape(-1)
        keep=t!=255
        # np.add.at because cm[t,p]+=1 counts duplicates only once!!
        np.add.at(self.cm,(t[keep].astype(int),p[keep]),1)

    def __str__(self):
        return "mIoU: "+str(self.mIoU())

    def mIoU(self):
        tp=np.diag(self.cm)
        fp=self.cm.sum(axis=0)-tp
        fn=self.cm.sum(axis=1)-tp
        with np.errstate(divide="ignore",invalid="ignore"):
            iou=tp/(tp+fp+fn)
        return float(np.nan_to_num(iou,nan=0.0).mean())
