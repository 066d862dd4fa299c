import collections
from abc import ABCMeta, abstractmethod
from pathlib import Path
from typing import Tuple

import torch
from tqdm import tqdm

from dlvc.wandb_logger import WandBLogger


class BaseTrainer(metaclass=ABCMeta):
    '''
    Common interface of the trainers.
    '''

    @abstractmethod
    def train(self) -> None:
        pass

    @abstractmethod
    def _val_epoch(self) -> Tuple[float, float]:
        pass

    @abstractmethod
    def _train_epoch(self) -> Tuple[float, float]:
        pass


class ImgSemSegTrainer(BaseTrainer):
    '''
    Reference: trainer for image semantic segmentation.
    '''

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
                 val_frequency: int = 5) -> None:
        self.model = model
        self.optimizer = optimizer
        self.loss_fn = loss_fn
        self.lr_scheduler = lr_scheduler
        self.device = device

        self.num_epochs = num_epochs
        self.train_metric = train_metric
        self.val_metric = val_metric
        self.checkpoint_dir = training_save_dir
        self.val_frequency = val_frequency

        self.train_data_loader = torch.utils.data.DataLoader(train_data, batch_size=batch_size,
                                                             shuffle=True, num_workers=2)
        self.val_data_loader = torch.utils.data.DataLoader(val_data, batch_size=batch_size,
                                                           shuffle=False, num_workers=1)
        self.num_train_data = len(train_data)
        self.num_val_data = len(val_data)

        self.wandb_logger = WandBLogger(enabled=True, model=model, run_name=model.net._get_name())

    def _train_epoch(self, epoch_idx: int) -> Tuple[float, float]:
        self.model.train()
        self.train_metric.reset()
        epoch_loss = 0.

        for inputs, labels in tqdm(self.train_data_loader, desc="train"):
            self.optimizer.zero_grad()

            labels = labels.squeeze(1) - 1
            outputs = self.model(inputs.to(self.device))
            if isinstance(outputs, collections.OrderedDict):
                outputs = outputs['out']

            loss = self.loss_fn(outputs, labels.to(self.device))
            loss.backward()
            self.optimizer.step()

            epoch_loss += loss.item() * inputs.shape[0]
            self.train_metric.update(outputs.detach().cpu(), labels)

        self.lr_scheduler.step()

        epoch_loss /= self.num_train_data
        epoch_mIoU = self.train_metric.mIoU()
        print(f"______epoch {epoch_idx}\nLoss: {epoch_loss}\n{self.train_metric}")
        return epoch_loss, epoch_mIoU

    def _val_epoch(self, epoch_idx: int) -> Tuple[float, float]:
        self.model.eval()
        self.val_metric.reset()
        epoch_loss = 0.

        with torch.no_grad():
            for inputs, labels in tqdm(self.val_data_loader, desc="eval"):
                labels = labels.squeeze(1) - 1
                outputs = self.model(inputs.to(self.device))
                if isinstance(outputs, collections.OrderedDict):
                    outputs = outputs['out']

                loss = self.loss_fn(outputs, labels.to(self.device))
                epoch_loss += loss.item() * inputs.shape[0]
                self.val_metric.update(outputs.cpu(), labels)

        epoch_loss /= self.num_val_data
        epoch_mIoU = self.val_metric.mIoU()
        print(f"______epoch {epoch_idx} - validation\nLoss: {epoch_loss}\n{self.val_metric}")
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
                    self.model.save(Path(self.checkpoint_dir), suffix="best")
                    best_mIoU = val_mIoU
                if epoch_idx == self.num_epochs - 1:
                    self.model.save(Path(self.checkpoint_dir), suffix="last")

            self.wandb_logger.log(wandb_log)

    def dispose(self) -> None:
        self.wandb_logger.finish()
