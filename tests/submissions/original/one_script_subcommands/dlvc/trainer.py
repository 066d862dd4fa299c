from abc import ABC, abstractmethod
from pathlib import Path
from typing import Tuple

import torch
from torch.utils.data import DataLoader
from tqdm import tqdm

from dlvc.wandb_logger import WandBLogger


class BaseTrainer(ABC):
    @abstractmethod
    def train(self) -> None: ...

    @abstractmethod
    def _train_epoch(self, epoch_idx: int) -> Tuple[float, float]: ...

    @abstractmethod
    def _val_epoch(self, epoch_idx: int) -> Tuple[float, float]: ...


class ImgSemSegTrainer(BaseTrainer):
    """Expects labels that start with 0 (the pets' labels are shifted in the data set, see train.py)."""

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
        self.loader = {
            "train": DataLoader(train_data, batch_size=batch_size, shuffle=True, num_workers=2),
            "val": DataLoader(val_data, batch_size=batch_size, shuffle=False, num_workers=1),
        }
        self.logger = WandBLogger(enabled=True, model=model, run_name=Path(training_save_dir).name)

    def _epoch(self, split: str, metric, epoch_idx: int) -> Tuple[float, float]:
        training = split == "train"
        self.model.train(training)
        metric.reset()
        loss_sum, seen = 0.0, 0
        with torch.set_grad_enabled(training):
            for images, labels in tqdm(self.loader[split], desc=f"{split} {epoch_idx}"):
                images, labels = images.to(self.device), labels.to(self.device).squeeze(dim=1)
                scores = self.model(images)
                if isinstance(scores, dict):
                    scores = scores["out"]
                loss = self.loss_fn(scores, labels)
                if training:
                    self.optimizer.zero_grad()
                    loss.backward()
                    self.optimizer.step()
                loss_sum += loss.item() * len(images)
                seen += len(images)
                metric.update(scores.detach(), labels)
        if training:
            self.lr_scheduler.step()
        print(f"epoch {epoch_idx} {split}: loss {loss_sum / seen:.4f}, {metric}")
        return loss_sum / seen, metric.mIoU()

    def _train_epoch(self, epoch_idx: int) -> Tuple[float, float]:
        return self._epoch("train", self.train_metric, epoch_idx)

    def _val_epoch(self, epoch_idx: int) -> Tuple[float, float]:
        return self._epoch("val", self.val_metric, epoch_idx)

    def train(self) -> None:
        best = float("-inf")
        for epoch in range(self.num_epochs):
            loss, miou = self._train_epoch(epoch)
            values = {"epoch": epoch, "train_loss": loss, "train_mIoU": miou}
            if epoch % self.val_frequency == 0:
                loss, miou = self._val_epoch(epoch)
                values |= {"val_loss": loss, "val_mIoU": miou}
                if miou > best:
                    best = miou
                    self.model.save(self.training_save_dir, "best")
            self.logger.log(values)
        self.model.save(self.training_save_dir, "last")

    def dispose(self) -> None:
        self.logger.finish()
