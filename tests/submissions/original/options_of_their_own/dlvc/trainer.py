from abc import ABCMeta, abstractmethod
from pathlib import Path
from typing import Tuple

import torch
from torch.utils.data import DataLoader
from tqdm import tqdm

from dlvc.dataset.oxfordpets import OxfordPetsCustom

try:
    from dlvc.wandb_logger import WandBLogger
except Exception as e:  # no wandb on the laptop of Flo
    print("running without wandb:", e)
    WandBLogger = None


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
                 val_frequency: int = 5,
                 use_wandb: bool = True):
        self.model = model.to(device)
        self.optimizer = optimizer
        self.loss_fn = loss_fn
        self.lr_scheduler = lr_scheduler
        self.train_metric = train_metric
        self.val_metric = val_metric
        self.device = device
        self.num_epochs = num_epochs
        self.training_save_dir = Path(training_save_dir)
        self.val_frequency = val_frequency

        # pets are labelled 1,2,3 on disk; cityscapes is fine already
        self.label_offset = 1 if isinstance(train_data, OxfordPetsCustom) else 0

        self.train_loader = DataLoader(train_data, batch_size=batch_size, shuffle=True, num_workers=2)
        self.val_loader = DataLoader(val_data, batch_size=batch_size, shuffle=False, num_workers=1)

        self.logger = None
        if use_wandb and WandBLogger is not None:
            self.logger = WandBLogger(enabled=True, model=model, run_name=model.net._get_name())

    def _prepare(self, batch):
        images, labels = batch
        labels = labels.squeeze(1).long() - self.label_offset
        return images.to(self.device), labels.to(self.device)

    def _scores(self, images):
        out = self.model(images)
        return out["out"] if isinstance(out, dict) else out

    def _train_epoch(self, epoch_idx: int) -> Tuple[float, float]:
        self.model.train()
        self.train_metric.reset()
        total, seen = 0.0, 0

        for batch in tqdm(self.train_loader, desc=f"train {epoch_idx}"):
            images, labels = self._prepare(batch)

            self.optimizer.zero_grad()
            scores = self._scores(images)
            loss = self.loss_fn(scores, labels)
            loss.backward()
            self.optimizer.step()

            total += loss.item() * len(images)
            seen += len(images)
            self.train_metric.update(scores.detach(), labels)

        self.lr_scheduler.step()
        print(f"epoch {epoch_idx} train: loss {total / seen:.4f}, {self.train_metric}")
        return total / seen, self.train_metric.mIoU()

    @torch.no_grad()
    def _val_epoch(self, epoch_idx: int) -> Tuple[float, float]:
        self.model.eval()
        self.val_metric.reset()
        total, seen = 0.0, 0

        for batch in tqdm(self.val_loader, desc=f"val {epoch_idx}"):
            images, labels = self._prepare(batch)
            scores = self._scores(images)
            total += self.loss_fn(scores, labels).item() * len(images)
            seen += len(images)
            self.val_metric.update(scores, labels)

        print(f"epoch {epoch_idx} val:   loss {total / seen:.4f}, {self.val_metric}")
        return total / seen, self.val_metric.mIoU()

    def train(self) -> None:
        best = -1.0
        for epoch_idx in range(self.num_epochs):
            last_epoch = epoch_idx == self.num_epochs - 1
            loss, miou = self._train_epoch(epoch_idx)
            log = {"epoch": epoch_idx, "train/loss": loss, "train/mIoU": miou,
                   "lr": self.optimizer.param_groups[0]["lr"]}

            if epoch_idx % self.val_frequency == 0 or last_epoch:
                loss, miou = self._val_epoch(epoch_idx)
                log.update({"val/loss": loss, "val/mIoU": miou})
                if miou > best:
                    best = miou
                    self.model.save(self.training_save_dir, suffix="best")

            if last_epoch:
                self.model.save(self.training_save_dir, suffix="last")
            if self.logger is not None:
                self.logger.log(log)

    def dispose(self) -> None:
        if self.logger is not None:
            self.logger.finish()
