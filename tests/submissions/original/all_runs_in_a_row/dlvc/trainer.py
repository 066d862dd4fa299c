from abc import ABCMeta, abstractmethod
from pathlib import Path
from typing import Tuple

import torch
from torch.utils.data import DataLoader
from tqdm import tqdm


class BaseTrainer(metaclass=ABCMeta):
    '''
    Base class of all trainers.
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
    Trainer for semantic segmentation. self.history holds the curves for the report.
    '''

    def __init__(self, model, optimizer, loss_fn, lr_scheduler, train_metric, val_metric, train_data, val_data,
                 device, num_epochs: int, training_save_dir: Path, batch_size: int = 4, val_frequency: int = 5):
        self.model = model
        self.optimizer = optimizer
        self.loss_fn = loss_fn
        self.lr_scheduler = lr_scheduler
        self.metrics = {"train": train_metric, "val": val_metric}
        self.device = device
        self.num_epochs = num_epochs
        self.save_dir = training_save_dir
        self.val_frequency = val_frequency
        # pets start with label 1
        self.first_label = 1 if type(train_data).__name__ == "OxfordPetsCustom" else 0
        self.loaders = {"train": DataLoader(train_data, batch_size, shuffle=True, num_workers=2, pin_memory=True),
                        "val": DataLoader(val_data, batch_size, shuffle=False, num_workers=1, pin_memory=True)}
        self.history = {"train_loss": [], "train_miou": [], "val_loss": [], "val_miou": [], "val_epoch": []}

    def _epoch(self, phase: str, epoch_idx: int) -> Tuple[float, float]:
        training = phase == "train"
        metric = self.metrics[phase]
        metric.reset()
        self.model.train(training)
        loss_sum, count = 0.0, 0

        with torch.set_grad_enabled(training):
            for images, masks in tqdm(self.loaders[phase], desc=f"{phase} {epoch_idx}", leave=False):
                images = images.to(self.device, non_blocking=True)
                masks = (masks.squeeze(1).long() - self.first_label).to(self.device, non_blocking=True)

                scores = self.model(images)
                if isinstance(scores, dict):
                    scores = scores["out"]
                loss = self.loss_fn(scores, masks)

                if training:
                    self.optimizer.zero_grad(set_to_none=True)
                    loss.backward()
                    self.optimizer.step()

                loss_sum += loss.item() * len(images)
                count += len(images)
                metric.update(scores.detach(), masks)

        print(f"[{epoch_idx:02d}] {phase}: loss {loss_sum / count:.4f} {metric}")
        return loss_sum / count, metric.mIoU()

    def _train_epoch(self, epoch_idx: int) -> Tuple[float, float]:
        result = self._epoch("train", epoch_idx)
        self.lr_scheduler.step()
        return result

    def _val_epoch(self, epoch_idx: int) -> Tuple[float, float]:
        return self._epoch("val", epoch_idx)

    def train(self) -> None:
        best = -1.0
        for epoch in range(self.num_epochs):
            loss, miou = self._train_epoch(epoch)
            self.history["train_loss"].append(loss)
            self.history["train_miou"].append(miou)

            if epoch % self.val_frequency == 0 or epoch == self.num_epochs - 1:
                loss, miou = self._val_epoch(epoch)
                self.history["val_loss"].append(loss)
                self.history["val_miou"].append(miou)
                self.history["val_epoch"].append(epoch)
                if miou > best:
                    best = miou
                    self.model.save(self.save_dir, suffix="best")
        self.model.save(self.save_dir, suffix="last")
