from abc import ABCMeta, abstractmethod
from pathlib import Path
from typing import Tuple

import torch
from torch.utils.data import DataLoader
from tqdm import tqdm

# for wandb users:
from assignments.assignment_2.dlvc.wandb_logger import WandBLogger
from .dataset.oxfordpets import OxfordPetsCustom


class BaseTrainer(metaclass=ABCMeta):
    '''
    Base class of all Trainers.
    '''

    @abstractmethod
    def train(self) -> None:
        pass

    @abstractmethod
    def _val_epoch(self, epoch_idx: int) -> Tuple[float, float]:
        pass

    @abstractmethod
    def _train_epoch(self, epoch_idx: int) -> Tuple[float, float]:
        pass


class ImgSemSegTrainer(BaseTrainer):
    """
    Class that stores the logic of training a model for image semantic segmentation.
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
        self.val_frequency = val_frequency

        # oxford labels are 1,2,3, the ones of cityscapes are fine already
        self.subtract_one = isinstance(train_data, OxfordPetsCustom)

        self.train_loader = DataLoader(train_data, batch_size=batch_size, shuffle=True, num_workers=2)
        self.val_loader = DataLoader(val_data, batch_size=batch_size, shuffle=False, num_workers=1)

        self.wandb_logger = WandBLogger(enabled=True, model=model, run_name=Path(training_save_dir).name)

    def _prepare(self, batch):
        imgs, labels = batch
        labels = labels.squeeze(1).long()
        if self.subtract_one:
            labels = labels - 1
        return imgs.to(self.device), labels.to(self.device)

    def _forward(self, imgs):
        out = self.model(imgs)
        # fcn returns OrderedDict
        return out['out'] if isinstance(out, dict) else out

    def _train_epoch(self, epoch_idx: int) -> Tuple[float, float]:
        self.model.train()
        self.train_metric.reset()
        sum_loss, n = 0.0, 0

        for batch in tqdm(self.train_loader, desc=f"train {epoch_idx}"):
            imgs, labels = self._prepare(batch)
            self.optimizer.zero_grad()
            out = self._forward(imgs)
            loss = self.loss_fn(out, labels)
            loss.backward()
            self.optimizer.step()

            sum_loss += loss.item() * imgs.size(0)
            n += imgs.size(0)
            self.train_metric.update(out.detach(), labels)

        self.lr_scheduler.step()
        mean_loss = sum_loss / n
        miou = self.train_metric.mIoU()
        print(f"______epoch {epoch_idx}\n train loss {mean_loss:.4f} | {self.train_metric}")
        return mean_loss, miou

    @torch.no_grad()
    def _val_epoch(self, epoch_idx: int) -> Tuple[float, float]:
        self.model.eval()
        self.val_metric.reset()
        sum_loss, n = 0.0, 0

        for batch in tqdm(self.val_loader, desc=f"val {epoch_idx}"):
            imgs, labels = self._prepare(batch)
            out = self._forward(imgs)
            loss = self.loss_fn(out, labels)
            sum_loss += loss.item() * imgs.size(0)
            n += imgs.size(0)
            self.val_metric.update(out, labels)

        mean_loss = sum_loss / n
        miou = self.val_metric.mIoU()
        print(f"______epoch {epoch_idx}\n val loss {mean_loss:.4f} | {self.val_metric}")
        return mean_loss, miou

    def train(self) -> None:
        best = 0.0
        for epoch in range(self.num_epochs):
            train_loss, train_miou = self._train_epoch(epoch)
            log = {'epoch': epoch, 'train/loss': train_loss, 'train/mIoU': train_miou}

            if epoch % self.val_frequency == 0:
                val_loss, val_miou = self._val_epoch(epoch)
                log.update({'val/loss': val_loss, 'val/mIoU': val_miou})
                if val_miou > best:
                    best = val_miou
                    self.model.save(self.training_save_dir, suffix="best")
            self.wandb_logger.log(log)

        self.model.save(self.training_save_dir, suffix="last")

    def dispose(self) -> None:
        self.wandb_logger.finish()
