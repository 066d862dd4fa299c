"""Part 3: training and validating a segmentation network, epoch by epoch."""

import csv
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, Subset
from torchvision.datasets import OxfordIIITPet
from tqdm import tqdm

from .metrics import SegMetrics


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch gave; a row of `history.csv`. The fields of validation are None where there was none."""

    epoch: int
    train_loss: float
    train_miou: float
    val_loss: float | None = None
    val_miou: float | None = None


class BaseTrainer(ABC):
    """What every trainer can do: train for all its epochs and validate in some of them."""

    @abstractmethod
    def train(self) -> None:
        """Train for all epochs, validate now and then, and save the model."""

    @abstractmethod
    def _train_epoch(self, epoch_idx: int) -> tuple[float, float]:
        """Train on all training data once; return its mean loss and its metric."""

    @abstractmethod
    def _val_epoch(self, epoch_idx: int) -> tuple[float, float]:
        """Evaluate on all validation data; return its mean loss and its metric."""

    @abstractmethod
    def dispose(self) -> None:
        """Release what training held, such as worker processes; the trainer is of no use afterwards."""


class ImgSemSegTrainer(BaseTrainer):
    """Train a network for semantic segmentation.

    The network gives scores (b, c, h, w) for images (b, 3, h, w), or a mapping that holds them as `out`, as
    torchvision's segmentation models do. Labels come as (b, h, w) or (b, 1, h, w); those of the Oxford pets
    count from 1 and are shifted to count from 0.

    Args:
        model: the network; saved by its own `save(folder, suffix)` where it has one, as `DeepSegmenter` has.
        optimizer: takes one step a batch.
        loss_fn: the loss of scores (b, c, h, w) and labels (b, h, w), a mean over the batch.
        lr_scheduler: takes one step an epoch.
        train_metric: gathers the mIoU of the training data, of the outputs during training.
        val_metric: gathers the mIoU of the validation data.
        train_data: pairs of image and mask to train on.
        val_data: pairs of image and mask to validate on.
        device: where the network runs.
        num_epochs: how often all training data are seen.
        training_save_dir: where the models and `history.csv` go; it is made if it does not exist.
        batch_size: images a step; the last batch of an epoch has what is left.
        val_frequency: validation runs in epochs 0, val_frequency, 2 * val_frequency... and in the last.
        num_workers: processes that load images; with 0, the main process does.

    Raises:
        ValueError: num_epochs is negative or val_frequency is not positive.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the signature that the handout asks for
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        loss_fn: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
        lr_scheduler: torch.optim.lr_scheduler.LRScheduler,
        train_metric: SegMetrics,
        val_metric: SegMetrics,
        train_data: Dataset[Any],
        val_data: Dataset[Any],
        device: torch.device,
        num_epochs: int,
        training_save_dir: Path,
        batch_size: int = 4,
        val_frequency: int = 5,
        *,
        num_workers: int = 0,
    ) -> None:
        if num_epochs < 0 or val_frequency < 1:
            raise ValueError(f"expected num_epochs >= 0 and val_frequency >= 1, found {num_epochs} and {val_frequency}")
        self.device = torch.device(device)
        self.model = model.to(self.device)
        self.optimizer = optimizer
        self.loss_fn = loss_fn
        self.lr_scheduler = lr_scheduler
        self.train_metric = train_metric
        self.val_metric = val_metric
        self.num_epochs = num_epochs
        self.training_save_dir = Path(training_save_dir)
        self.val_frequency = val_frequency
        self.train_first_label = first_label(train_data)
        self.val_first_label = first_label(val_data)
        loading: dict[str, Any] = {
            "batch_size": batch_size,
            "num_workers": num_workers,
            "persistent_workers": num_workers > 0,
            "pin_memory": self.device.type == "cuda",
        }
        self.train_loader: DataLoader[Any] | None = DataLoader(train_data, shuffle=True, **loading)
        self.val_loader: DataLoader[Any] | None = DataLoader(val_data, shuffle=False, **loading)
        self.history: list[EpochRecord] = []

    def train(self) -> None:
        """Train for all epochs; leave the best and the last model and `history.csv` in `training_save_dir`.

        The best model is the one of the highest validation mIoU, the first of equals. `history.csv` is
        brought up to date after each epoch. With no epochs, the model is saved as it came, as the last one.
        """
        self.history = []
        self._write_history()
        best_miou = -1.0  # below any mIoU, so that the first validation saves a best model
        for epoch in range(self.num_epochs):
            trained = self._train_epoch(epoch)
            self.lr_scheduler.step()
            validated: tuple[float, float] | tuple[()] = ()
            if epoch % self.val_frequency == 0 or epoch == self.num_epochs - 1:
                validated = self._val_epoch(epoch)
                if validated[1] > best_miou:
                    best_miou = validated[1]
                    self._save_model("best")
            self.history.append(EpochRecord(epoch, *trained, *validated))
            self._write_history()
        self._save_model("last")

    def _train_epoch(self, epoch_idx: int) -> tuple[float, float]:
        """Train on all training data once and print the result.

        Returns:
            The loss, a mean over all samples (so a small last batch counts less), and the mIoU in 0..1.
        """
        self.model.train()
        self.train_metric.reset()
        total_loss, samples = 0.0, 0
        for images, masks in tqdm(self.train_loader, f"train {epoch_idx}", leave=False, disable=None):
            self.optimizer.zero_grad()
            scores, labels, loss = self._score_batch(images, masks, self.train_first_label)
            loss.backward()
            self.optimizer.step()
            self.train_metric.update(scores.detach(), labels)
            total_loss += loss.item() * len(images)
            samples += len(images)
        return self._report("train", epoch_idx, total_loss / samples, self.train_metric)

    def _val_epoch(self, epoch_idx: int) -> tuple[float, float]:
        """Evaluate on all validation data, without changing the model, and print the result.

        Returns:
            The loss, a mean over all samples, and the mIoU in 0..1.
        """
        self.model.eval()
        self.val_metric.reset()
        total_loss, samples = 0.0, 0
        for images, masks in tqdm(self.val_loader, f"validate {epoch_idx}", leave=False, disable=None):
            with torch.no_grad():
                scores, labels, loss = self._score_batch(images, masks, self.val_first_label)
            self.val_metric.update(scores, labels)
            total_loss += loss.item() * len(images)
            samples += len(images)
        return self._report("validate", epoch_idx, total_loss / samples, self.val_metric)

    def _score_batch(
        self, images: torch.Tensor, masks: torch.Tensor, first_label: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Run the network on a batch, on the trainer's device.

        Args:
            images: (b, 3, h, w) floats.
            masks: (b, h, w) or (b, 1, h, w) integers.
            first_label: the label in `masks` that stands for class 0.

        Returns:
            The scores (b, c, h, w), the labels (b, h, w) counted from 0, and their loss, a scalar.
        """
        images = images.to(self.device, non_blocking=True)
        labels = masks.to(self.device, torch.long, non_blocking=True)
        if labels.ndim == 4:
            labels = labels.squeeze(1)
        labels = labels - first_label
        scores = self.model(images)
        if isinstance(scores, Mapping):
            scores = scores["out"]
        return scores, labels, self.loss_fn(scores, labels)

    def dispose(self) -> None:
        """Let go of the data loaders and with them of their worker processes."""
        self.train_loader = self.val_loader = None

    def _report(self, task: str, epoch: int, loss: float, metric: SegMetrics) -> tuple[float, float]:
        """Print an epoch's loss and metric, and return the loss and the mIoU."""
        print(f"epoch {epoch} {task}: loss {loss:.4f}, {metric}", flush=True)
        return loss, metric.mIoU()

    def _save_model(self, suffix: str) -> None:
        """Save the model's state dict into `training_save_dir`; the file's name ends in `_<suffix>.pth`."""
        self.training_save_dir.mkdir(parents=True, exist_ok=True)
        if callable(getattr(self.model, "save", None)):
            self.model.save(self.training_save_dir, suffix)
        else:
            name = f"{type(self.model).__name__}_model_{suffix}.pth"
            torch.save(self.model.state_dict(), self.training_save_dir / name)

    def _write_history(self) -> None:
        """Write all records so far to `history.csv`; a field that is None is left empty."""
        self.training_save_dir.mkdir(parents=True, exist_ok=True)
        with (self.training_save_dir / "history.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(field.name for field in fields(EpochRecord))
            writer.writerows(astuple(record) for record in self.history)


def first_label(data: Dataset[Any]) -> int:
    """Return the label that stands for the first class: 1 in the Oxford pets and subsets of them, else 0."""
    while isinstance(data, Subset):
        data = data.dataset
    return 1 if isinstance(data, OxfordIIITPet) else 0
