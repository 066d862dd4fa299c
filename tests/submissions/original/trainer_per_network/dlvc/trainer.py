import torch
from typing import Tuple
from abc import ABCMeta, abstractmethod
from pathlib import Path
from tqdm import tqdm

from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.wandb_logger import WandBLogger


class BaseTrainer(metaclass=ABCMeta):
    '''
    Base class of all Trainers.
    '''

    @abstractmethod
    def train(self) -> None:
        '''
        Holds training logic.
        '''
        pass

    @abstractmethod
    def _val_epoch(self, epoch_idx: int) -> Tuple[float, float]:
        '''
        Holds validation logic for one epoch.
        '''
        pass

    @abstractmethod
    def _train_epoch(self, epoch_idx: int) -> Tuple[float, float]:
        '''
        Holds training logic for one epoch.
        '''
        pass


class ImgSemSegTrainer(BaseTrainer):
    """
    Trainer for the FCN (output is a dict!). The one of the SegFormer is in trainer_segformer.py
    """

    def __init__(self, model, optimizer, loss_fn, lr_scheduler, train_metric, val_metric, train_data, val_data,
                 device, num_epochs: int, training_save_dir: Path, batch_size: int = 4, val_frequency: int = 5):
        self.model = model
        self.optimizer = optimizer
        self.loss_fn = loss_fn
        self.lr_scheduler = lr_scheduler
        self.train_metric = train_metric
        self.val_metric = val_metric
        self.device = device
        self.num_epochs = num_epochs
        self.training_save_dir = training_save_dir
        self.val_frequency = val_frequency

        # labels of the pets start at 1
        self.subtract_one = isinstance(train_data, OxfordPetsCustom)

        self.trainLoader = torch.utils.data.DataLoader(train_data, batch_size=batch_size, shuffle=True, num_workers=2)
        self.valLoader = torch.utils.data.DataLoader(val_data, batch_size=batch_size, shuffle=False, num_workers=1)
        self.numTrain = len(train_data)
        self.numVal = len(val_data)

        self.wandbLogger = WandBLogger(enabled=True, model=model, run_name="FCN")

    def _train_epoch(self, epoch_idx: int) -> Tuple[float, float]:
        self.model.train()
        self.train_metric.reset()
        epochLoss = 0.0

        for images, labels in tqdm(self.trainLoader, desc="FCN train"):
            self.optimizer.zero_grad()
            labels = labels.squeeze(1)
            if self.subtract_one:
                labels = labels - 1
            images, labels = images.to(self.device), labels.to(self.device)

            output = self.model(images)["out"]
            loss = self.loss_fn(output, labels)
            loss.backward()
            self.optimizer.step()

            epochLoss += loss.item() * images.size(0)
            self.train_metric.update(output.detach(), labels)

        self.lr_scheduler.step()
        epochLoss = epochLoss / self.numTrain
        print(f"[FCN] Epoche {epoch_idx}: loss {epochLoss:.4f} {self.train_metric}")
        return epochLoss, self.train_metric.mIoU()

    def _val_epoch(self, epoch_idx: int) -> Tuple[float, float]:
        self.model.eval()
        self.val_metric.reset()
        epochLoss = 0.0

        with torch.no_grad():
            for images, labels in tqdm(self.valLoader, desc="FCN val"):
                labels = labels.squeeze(1)
                if self.subtract_one:
                    labels = labels - 1
                images, labels = images.to(self.device), labels.to(self.device)

                output = self.model(images)["out"]
                loss = self.loss_fn(output, labels)
                epochLoss += loss.item() * images.size(0)
                self.val_metric.update(output, labels)

        epochLoss = epochLoss / self.numVal
        print(f"[FCN] Epoche {epoch_idx} (val): loss {epochLoss:.4f} {self.val_metric}")
        return epochLoss, self.val_metric.mIoU()

    def train(self) -> None:
        bestMIoU = 0.0
        for epoch_idx in range(self.num_epochs):
            trainLoss, trainMIoU = self._train_epoch(epoch_idx)
            logDict = {"epoch": epoch_idx, "train/loss": trainLoss, "train/mIoU": trainMIoU}

            if epoch_idx % self.val_frequency == 0 or epoch_idx == self.num_epochs - 1:
                valLoss, valMIoU = self._val_epoch(epoch_idx)
                logDict.update({"val/loss": valLoss, "val/mIoU": valMIoU})

                if valMIoU >= bestMIoU:
                    bestMIoU = valMIoU
                    self.model.save(Path(self.training_save_dir), suffix="best")
                if epoch_idx == self.num_epochs - 1:
                    self.model.save(Path(self.training_save_dir), suffix="last")

            self.wandbLogger.log(logDict)

    def dispose(self) -> None:
        self.wandbLogger.finish()
