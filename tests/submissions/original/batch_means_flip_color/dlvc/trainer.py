from abc import ABCMeta, abstractmethod
from pathlib import Path
from typing import Tuple

import torch
from torch.utils.data import DataLoader
from tqdm import tqdm

from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.wandb_logger import WandBLogger


class BaseTrainer(metaclass=ABCMeta):
    """Base class of all Trainers."""

    @abstractmethod
    def train(self) -> None:
        """Holds training logic."""

    @abstractmethod
    def _val_epoch(self, epoch_idx: int) -> Tuple[float, float]:
        """Holds validation logic for one epoch."""

    @abstractmethod
    def _train_epoch(self, epoch_idx: int) -> Tuple[float, float]:
        """Holds training logic for one epoch."""


class ImgSemSegTrainer(BaseTrainer):

    def __init__(self, model, optimizer, loss_fn, lr_scheduler, train_metric, val_metric, train_data, val_data, device,
                 num_epochs: int, training_save_dir: Path, batch_size: int = 4, val_frequency: int = 5) -> None:
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

        self.train_loader = DataLoader(train_data, batch_size=batch_size, shuffle=True, num_workers=2)
        self.val_loader = DataLoader(val_data, batch_size=batch_size, shuffle=False, num_workers=1)
        self.wandb_logger = WandBLogger(enabled=True, model=model)

    def _train_epoch(self, epoch_idx: int) -> Tuple[float, float]:
        self.model.train()
        running_loss = 0.0
        running_miou = 0.0

        for inputs, labels in tqdm(self.train_loader, desc="Training"):
            inputs = inputs.to(self.device)
            labels = labels.squeeze(1).to(self.device)
            # Pet labels start at 1
            if isinstance(self.train_data, OxfordPetsCustom):
                labels = labels - 1

            # Zero the gradients
            self.optimizer.zero_grad()
            # Forward pass
            outputs = self.model(inputs)
            if isinstance(outputs, dict):
                outputs = outputs["out"]
            loss = self.loss_fn(outputs, labels)
            # Backward pass
            loss.backward()
            self.optimizer.step()

            # mIoU of this batch
            self.train_metric.reset()
            self.train_metric.update(outputs.detach(), labels)
            running_miou += self.train_metric.mIoU()
            running_loss += loss.item()

        self.lr_scheduler.step()

        epoch_loss = running_loss / len(self.train_loader)
        epoch_miou = running_miou / len(self.train_loader)
        print(f"Epoch {epoch_idx}: train loss {epoch_loss:.4f}, train mIoU {epoch_miou:.4f}")
        return epoch_loss, epoch_miou

    def _val_epoch(self, epoch_idx: int) -> Tuple[float, float]:
        self.model.eval()
        running_loss = 0.0
        running_miou = 0.0

        with torch.no_grad():
            for inputs, labels in tqdm(self.val_loader, desc="Validation"):
                inputs = inputs.to(self.device)
                labels = labels.squeeze(1).to(self.device)
                if isinstance(self.val_data, OxfordPetsCustom):
                    labels = labels - 1

                outputs = self.model(inputs)
                if isinstance(outputs, dict):
                    outputs = outputs["out"]
                loss = self.loss_fn(outputs, labels)

                self.val_metric.reset()
                self.val_metric.update(outputs, labels)
                running_miou += self.val_metric.mIoU()
                running_loss += loss.item()

        epoch_loss = running_loss / len(self.val_loader)
        epoch_miou = running_miou / len(self.val_loader)
        print(f"Epoch {epoch_idx}: val loss {epoch_loss:.4f}, val mIoU {epoch_miou:.4f}")
        return epoch_loss, epoch_miou

    def train(self) -> None:
        best_miou = 0.0
        for epoch_idx in range(self.num_epochs):
            train_loss, train_miou = self._train_epoch(epoch_idx)
            self.wandb_logger.log({"train_loss": train_loss, "train_mIoU": train_miou}, commit=False)

            if epoch_idx % self.val_frequency == 0:
                val_loss, val_miou = self._val_epoch(epoch_idx)
                self.wandb_logger.log({"val_loss": val_loss, "val_mIoU": val_miou}, commit=False)
                # Save the best model
                if val_miou > best_miou:
                    best_miou = val_miou
                    self.model.save(self.training_save_dir, suffix="best")

            self.wandb_logger.log({"epoch": epoch_idx})

        # Save the final model
        self.model.save(self.training_save_dir, suffix="last")

    def dispose(self) -> None:
        self.wandb_logger.finish()
