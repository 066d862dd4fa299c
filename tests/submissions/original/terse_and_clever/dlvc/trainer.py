from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from dlvc.metrics import PerformanceMeasure
from dlvc.runlog import RunLog

Result = tuple[float, float]  # loss, mIoU


class BaseTrainer(ABC):

    @abstractmethod
    def train(self) -> None: ...

    @abstractmethod
    def _train_epoch(self, epoch_idx: int) -> Result: ...

    @abstractmethod
    def _val_epoch(self, epoch_idx: int) -> Result: ...


@dataclass
class ImgSemSegTrainer(BaseTrainer):
    """The labels arrive as 0..c-1 (or 255): the target_transform of the data set sees to that, see dlvc/data.py."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    loss_fn: Callable[[Tensor, Tensor], Tensor]
    lr_scheduler: Any
    train_metric: PerformanceMeasure
    val_metric: PerformanceMeasure
    train_data: Dataset
    val_data: Dataset
    device: torch.device
    num_epochs: int
    training_save_dir: Path
    batch_size: int = 4
    val_frequency: int = 5

    def __post_init__(self):
        self.loaders = {
            True: DataLoader(self.train_data, self.batch_size, shuffle=True, num_workers=2),
            False: DataLoader(self.val_data, self.batch_size, num_workers=1),
        }
        self.log = RunLog(Path(self.training_save_dir))

    def _epoch(self, training: bool) -> Result:
        metric = self.train_metric if training else self.val_metric
        metric.reset()
        self.model.train(training)
        losses, sizes = [], []
        with torch.set_grad_enabled(training):
            for x, y in self.loaders[training]:
                x, y = x.to(self.device), y.to(self.device).squeeze(1)
                scores = self.model(x)
                if isinstance(scores, dict):
                    scores = scores["out"]
                loss = self.loss_fn(scores, y)
                if training:
                    self.optimizer.zero_grad(set_to_none=True)
                    loss.backward()
                    self.optimizer.step()
                metric.update(scores.detach(), y)
                losses.append(loss.detach())
                sizes.append(len(x))
        n = torch.tensor(sizes, dtype=torch.float)
        return (torch.stack(losses).cpu() @ n / n.sum()).item(), metric.mIoU()

    def _train_epoch(self, epoch_idx: int) -> Result:
        result = self._epoch(training=True)
        self.lr_scheduler.step()
        return result

    def _val_epoch(self, epoch_idx: int) -> Result:
        return self._epoch(training=False)

    def train(self) -> None:
        best = float("-inf")
        for e in range(self.num_epochs):
            row = dict(zip(("train_loss", "train_miou"), self._train_epoch(e)))
            last = e + 1 == self.num_epochs
            if last or (e + 1) % self.val_frequency == 0:  # after every val_frequency epochs, and at the end
                row |= zip(("val_loss", "val_miou"), self._val_epoch(e))
                if row["val_miou"] > best:
                    best = row["val_miou"]
                    self.model.save(self.training_save_dir, "best")
            if last:
                self.model.save(self.training_save_dir, "last")
            self.log(epoch=e, **row)
