import torch
from typing import Tuple
from abc import ABCMeta, abstractmethod
from pathlib import Path
from tqdm import tqdm

from dlvc.wandb_logger import WandBLogger
from dlvc.dataset.oxfordpets import OxfordPetsCustom


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
    def _val_epoch(self) -> Tuple[float, float]:
        '''
        Holds validation logic for one epoch.
        '''
        pass

    @abstractmethod
    def _train_epoch(self) -> Tuple[float, float]:
        '''
        Holds training logic for one epoch.
        '''
        pass


class ImgSemSegTrainer(BaseTrainer):
    """
    Class that stores the logic for training a model for image segmentation.
    """

    def __init__(self,
                 model,
                 optimizer,
                 loss_fn,
                 lr_scheduler,
                 train_metric,
                 val_metric,
                 train_data,
                 val_data,
                 device,
                 num_epochs: int,
                 training_save_dir: Path,
                 batch_size: int = 4,
                 val_frequency: int = 5):

        self.model = model
        self.optimizer = optimizer
        self.loss_fn = loss_fn
        self.lr_scheduler = lr_scheduler
        self.train_metric = train_metric
        self.val_metric = val_metric
        self.train_data = train_data
        self.val_data = val_data
        self.device = device
        self.num_epochs = num_epochs
        self.training_save_dir = training_save_dir
        self.batch_size = batch_size
        self.val_frequency = val_frequency

        self.train_loader = torch.utils.data.DataLoader(self.train_data, batch_size=self.batch_size, shuffle=True, num_workers=2)
        self.val_loader = torch.utils.data.DataLoader(self.val_data, batch_size=self.batch_size, shuffle=False, num_workers=1)

        self.logger = WandBLogger(enabled=True, model=self.model, run_name=str(training_save_dir))

    def _train_epoch(self, epoch_idx: int) -> Tuple[float, float]:
        self.model.train()
        self.train_metric.reset()

        for inputs, targets in tqdm(self.train_loader):
            inputs = inputs.to(self.device)
            targets = targets.to(self.device)
            targets = targets.squeeze(1)
            if isinstance(self.train_data, OxfordPetsCustom):
                targets = targets - 1

            outputs = self.model(inputs)
            if isinstance(outputs, dict):
                outputs = outputs['out']
            loss = self.loss_fn(outputs, targets)

            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()

            self.train_metric.update(outputs, targets)

        self.lr_scheduler.step()

        print("Epoch", epoch_idx, "Train loss:", loss.item(), self.train_metric)

        return loss.item(), self.train_metric.mIoU()

    def _val_epoch(self, epoch_idx: int) -> Tuple[float, float]:
        self.model.eval()
        self.val_metric.reset()

        with torch.no_grad():
            for inputs, targets in tqdm(self.val_loader):
                inputs = inputs.to(self.device)
                targets = targets.to(self.device)
                targets = targets.squeeze(1)
                if isinstance(self.train_data, OxfordPetsCustom):
                    targets = targets - 1

                outputs = self.model(inputs)
                if isinstance(outputs, dict):
                    outputs = outputs['out']
                loss = self.loss_fn(outputs, targets)

                self.val_metric.update(outputs, targets)

        print("Epoch", epoch_idx, "Val loss:", loss.item(), self.val_metric)

        return loss.item(), self.val_metric.mIoU()

    def train(self) -> None:
        best_miou = 0.0

        for epoch in range(self.num_epochs):
            train_loss, train_miou = self._train_epoch(epoch)
            log_dict = {"epoch": epoch, "train_loss": train_loss, "train_mIoU": train_miou}

            if epoch % self.val_frequency == 0 or epoch == self.num_epochs - 1:
                val_loss, val_miou = self._val_epoch(epoch)
                log_dict["val_loss"] = val_loss
                log_dict["val_mIoU"] = val_miou

                if val_miou >= best_miou:
                    best_miou = val_miou
                    self.model.save(self.training_save_dir, "best")

                if epoch == self.num_epochs - 1:
                    self.model.save(self.training_save_dir, "last")

            self.logger.log(log_dict)

        self.logger.finish()
