import collections
from abc import ABCMeta, abstractmethod
from pathlib import Path

import torch
from tqdm import tqdm

from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.wandb_logger import WandBLogger


class BaseTrainer(metaclass=ABCMeta):
    '''
    Base class of all Trainers.
    '''

    @abstractmethod
    def train(self) -> None:
        pass

    @abstractmethod
    def _val_epoch(self, epoch_idx: int):
        pass

    @abstractmethod
    def _train_epoch(self, epoch_idx: int):
        pass


class ImgSemSegTrainer(BaseTrainer):
    """
    Class that stores the logic for training a model for image segmentation.
    """

    def __init__(self, model, optimizer, loss_fn, lr_scheduler, train_metric, val_metric, train_data, val_data,
                 device, num_epochs: int, training_save_dir: Path, batch_size: int = 4, val_frequency: int = 5):
        self.model = model
        self.optimizer = optimizer
        self.loss_fn = loss_fn
        self.lr_scheduler = lr_scheduler
        self.device = device

        self.num_epochs = num_epochs
        self.train_metric = train_metric
        self.val_metric = val_metric

        self.train_data_loader = torch.utils.data.DataLoader(train_data, batch_size=batch_size, shuffle=True,
                                                             num_workers=2)
        self.val_data_loader = torch.utils.data.DataLoader(val_data, batch_size=batch_size, shuffle=False,
                                                           num_workers=1)
        self.subtract_one = isinstance(train_data, OxfordPetsCustom)
        self.num_train_data = len(train_data)
        self.num_val_data = len(val_data)

        self.checkpoint_dir = training_save_dir
        self.val_frequency = val_frequency
        self.wandb_logger = WandBLogger(enabled=True, model=model, run_name=model.net._get_name())

    def _train_epoch(self, epoch_idx: int):
        self.model.train()
        epoch_loss = 0.
        self.train_metric.reset()

        for i, batch in tqdm(enumerate(self.train_data_loader), desc="train", total=len(self.train_data_loader)):
            self.optimizer.zero_grad()
            inputs, labels = batch
            labels = labels.squeeze(1) - int(self.subtract_one)
            batch_size = inputs.shape[0]

            outputs = self.model(inputs.to(self.device))
            if isinstance(outputs, collections.OrderedDict):
                outputs = outputs['out']
            loss = self.loss_fn(outputs, labels.to(self.device))
            loss.backward()
            self.optimizer.step()

            epoch_loss += (loss.item() * batch_size)
            self.train_metric.update(outputs.detach().cpu(), labels.detach().cpu())

        self.lr_scheduler.step()
        epoch_loss /= self.num_train_data
        epoch_mIoU = self.train_metric.mIoU()
        print(f"______epoch {epoch_idx}\n")
        print(f"Loss: {epoch_loss}")
        print(self.train_metric)
        return epoch_loss, epoch_mIoU

    def _val_epoch(self, epoch_idx: int):
        self.model.eval()
        epoch_loss = 0.
        self.val_metric.reset()

        with torch.no_grad():
            for i, batch in tqdm(enumerate(self.val_data_loader), desc="eval", total=len(self.val_data_loader)):
                inputs, labels = batch
                labels = labels.squeeze(1) - int(self.subtract_one)
                batch_size = inputs.shape[0]

                outputs = self.model(inputs.to(self.device))
                if isinstance(outputs, collections.OrderedDict):
                    outputs = outputs['out']
                loss = self.loss_fn(outputs, labels.to(self.device))
                epoch_loss += (loss.item() * batch_size)
                self.val_metric.update(outputs.cpu(), labels.cpu())

        epoch_loss /= self.num_val_data
        epoch_mIoU = self.val_metric.mIoU()
        print(f"______epoch {epoch_idx} - val\n")
        print(f"Loss: {epoch_loss}")
        print(self.val_metric)
        return epoch_loss, epoch_mIoU

    def train(self) -> None:
        best_mIoU = 0.
        for epoch_idx in range(self.num_epochs):
            train_loss, train_mIoU = self._train_epoch(epoch_idx)
            wandb_log = {'epoch': epoch_idx, 'train/loss': train_loss, 'train/mIoU': train_mIoU}

            if epoch_idx % self.val_frequency == 0:
                val_loss, val_mIoU = self._val_epoch(epoch_idx)
                wandb_log.update({'val/loss': val_loss, 'val/mIoU': val_mIoU})

                if best_mIoU <= val_mIoU:
                    print(f"####best mIou: {val_mIoU}")
                    best_mIoU = val_mIoU
                    self.model.save(Path(self.checkpoint_dir), suffix="best")
                if epoch_idx == self.num_epochs - 1:
                    self.model.save(Path(self.checkpoint_dir), suffix="last")
            self.wandb_logger.log(wandb_log)

    def dispose(self) -> None:
        self.wandb_logger.finish()
