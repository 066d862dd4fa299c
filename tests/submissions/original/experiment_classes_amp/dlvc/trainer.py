from abc import ABCMeta, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Tuple

import torch
from torch.utils.data import DataLoader
from tqdm import tqdm

from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.wandb_logger import WandBLogger


class BaseTrainer(metaclass=ABCMeta):
    '''
    Base class of all trainers.
    '''

    @abstractmethod
    def train(self) -> None:
        '''
        Holds training logic.
        '''

    @abstractmethod
    def _val_epoch(self) -> Tuple[float, float]:
        '''
        Holds validation logic for one epoch.
        '''

    @abstractmethod
    def _train_epoch(self) -> Tuple[float, float]:
        '''
        Holds training logic for one epoch.
        '''


class ImgSemSegTrainer(BaseTrainer):
    '''
    Trainer with mixed precision (only on the GPU).
    '''

    def __init__(self, model, optimizer, loss_fn, lr_scheduler, train_metric, val_metric, train_data, val_data,
                 device, num_epochs: int, training_save_dir: Path, batch_size: int = 4, val_frequency: int = 5,
                 run_name=None) -> None:
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
        self.offset = int(isinstance(train_data, OxfordPetsCustom))

        self.use_amp = device.type == "cuda"
        self.scaler = torch.cuda.amp.GradScaler(enabled=self.use_amp)

        self.train_loader = DataLoader(train_data, batch_size=batch_size, shuffle=True, num_workers=2)
        self.val_loader = DataLoader(val_data, batch_size=batch_size, shuffle=False, num_workers=1)
        self.logger = WandBLogger(model=model, run_name=run_name)

    def _step(self, images, labels):
        images = images.to(self.device)
        labels = labels.squeeze(1).long().to(self.device) - self.offset
        with torch.autocast(device_type=self.device.type, enabled=self.use_amp):
            scores = self.model(images)
            if isinstance(scores, Mapping):
                scores = scores["out"]
        # the loss in full precision
        scores = scores.float()
        return scores, labels, self.loss_fn(scores, labels)

    def _train_epoch(self, epoch_idx: int) -> Tuple[float, float]:
        self.model.train()
        self.train_metric.reset()
        total, seen = 0.0, 0
        for images, labels in tqdm(self.train_loader, desc=f"train {epoch_idx}"):
            scores, labels, loss = self._step(images, labels)
            self.optimizer.zero_grad()
            self.scaler.scale(loss).backward()
            self.scaler.step(self.optimizer)
            self.scaler.update()
            total += loss.item() * images.shape[0]
            seen += images.shape[0]
            self.train_metric.update(scores.detach(), labels)
        self.lr_scheduler.step()
        return total / seen, self.train_metric.mIoU()

    def _val_epoch(self, epoch_idx: int) -> Tuple[float, float]:
        self.model.eval()
        self.val_metric.reset()
        total, seen = 0.0, 0
        with torch.inference_mode():
            for images, labels in tqdm(self.val_loader, desc=f"val {epoch_idx}"):
                scores, labels, loss = self._step(images, labels)
                total += loss.item() * images.shape[0]
                seen += images.shape[0]
                self.val_metric.update(scores, labels)
        return total / seen, self.val_metric.mIoU()

    def train(self) -> None:
        best = float("-inf")
        for epoch in range(self.num_epochs):
            loss, miou = self._train_epoch(epoch)
            values = {"train/loss": loss, "train/mIoU": miou}
            if epoch % self.val_frequency == 0:
                loss, miou = self._val_epoch(epoch)
                values |= {"val/loss": loss, "val/mIoU": miou}
                if miou > best:
                    best = miou
                    self.model.save(self.training_save_dir, suffix="best")
            self.logger.log(values, step=epoch)
        self.model.save(self.training_save_dir, suffix="last")

    def dispose(self) -> None:
        self.logger.finish()
