"""A complete trainer for the previous assignment's task, image classification, as a model for Part 3.

Segmentation differs in the shape of the labels, in what the network returns, in the metric and in what is
recorded: adapt, rather than copy.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from .metrics import PerformanceMeasure
from .trainer import BaseTrainer


class Accuracy(PerformanceMeasure):
    """The fraction of images whose predicted class is the true one, over all batches since the last reset."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self.correct = 0
        self.seen = 0

    def update(self, prediction: torch.Tensor, target: torch.Tensor) -> None:
        """Count a batch: prediction (b, c) holds scores, target (b) holds labels 0..c-1."""
        self.correct += int((prediction.argmax(dim=1) == target).sum())
        self.seen += len(target)

    def accuracy(self) -> float:
        """Return the accuracy in 0..1; 0.0 when nothing was seen."""
        return self.correct / self.seen if self.seen else 0.0

    def __str__(self) -> str:
        return f"accuracy: {self.accuracy():.2f}"


class ImgClassificationTrainer(BaseTrainer):
    """Train a network that gives scores (b, c) for images (b, 3, h, w) with labels (b).

    Args:
        model: the network; it has `save(folder, suffix)`.
        optimizer: takes one step a batch.
        loss_fn: the loss of scores and labels, a mean over the batch.
        lr_scheduler: takes one step an epoch.
        train_metric: gathers the accuracy on the training data, of the outputs during training.
        val_metric: gathers the accuracy on the validation data.
        train_data: pairs of image and label to train on.
        val_data: pairs of image and label to validate on.
        device: where the network runs.
        num_epochs: how often all training data are seen.
        training_save_dir: where the models go; it is made if it does not exist.
        batch_size: images a step; the last batch of an epoch has what is left.
        val_frequency: validation runs in epochs 0, val_frequency, 2 * val_frequency... and in the last.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the signature of the previous assignment
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        loss_fn: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
        lr_scheduler: torch.optim.lr_scheduler.LRScheduler,
        train_metric: Accuracy,
        val_metric: Accuracy,
        train_data: Dataset[Any],
        val_data: Dataset[Any],
        device: torch.device,
        num_epochs: int,
        training_save_dir: Path,
        batch_size: int = 4,
        val_frequency: int = 5,
    ) -> None:
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
        self.train_loader: DataLoader[Any] = DataLoader(train_data, batch_size=batch_size, shuffle=True)
        self.val_loader: DataLoader[Any] = DataLoader(val_data, batch_size=batch_size, shuffle=False)

    def train(self) -> None:
        """Train for all epochs; save the model of the highest validation accuracy and the last one."""
        self.training_save_dir.mkdir(parents=True, exist_ok=True)
        best_accuracy = -1.0
        for epoch in range(self.num_epochs):
            self._train_epoch(epoch)
            self.lr_scheduler.step()
            if epoch % self.val_frequency == 0 or epoch == self.num_epochs - 1:
                _, accuracy = self._val_epoch(epoch)
                if accuracy > best_accuracy:
                    best_accuracy = accuracy
                    self.model.save(self.training_save_dir, "best")
        self.model.save(self.training_save_dir, "last")

    def _train_epoch(self, epoch_idx: int) -> tuple[float, float]:
        """Train on all training data once; return the loss, a mean over all samples, and the accuracy."""
        self.model.train()
        self.train_metric.reset()
        total_loss, samples = 0.0, 0
        for batch in tqdm(self.train_loader, f"train {epoch_idx}", leave=False, disable=None):
            images, labels = (tensor.to(self.device) for tensor in batch)
            self.optimizer.zero_grad()
            scores = self.model(images)
            loss = self.loss_fn(scores, labels)
            loss.backward()
            self.optimizer.step()
            self.train_metric.update(scores.detach(), labels)
            total_loss += loss.item() * len(images)
            samples += len(images)
        print(f"epoch {epoch_idx} train: loss {total_loss / samples:.4f}, {self.train_metric}")
        return total_loss / samples, self.train_metric.accuracy()

    @torch.no_grad()
    def _val_epoch(self, epoch_idx: int) -> tuple[float, float]:
        """Evaluate on all validation data; return the loss, a mean over all samples, and the accuracy."""
        self.model.eval()
        self.val_metric.reset()
        total_loss, samples = 0.0, 0
        for batch in tqdm(self.val_loader, f"validate {epoch_idx}", leave=False, disable=None):
            images, labels = (tensor.to(self.device) for tensor in batch)
            scores = self.model(images)
            loss = self.loss_fn(scores, labels)
            self.val_metric.update(scores, labels)
            total_loss += loss.item() * len(images)
            samples += len(images)
        print(f"epoch {epoch_idx} validate: loss {total_loss / samples:.4f}, {self.val_metric}")
        return total_loss / samples, self.val_metric.accuracy()

    def dispose(self) -> None:
        """Do nothing: without worker processes there is nothing to release."""
