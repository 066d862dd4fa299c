from abc import ABCMeta, abstractmethod
from pathlib import Path
from typing import Tuple

import torch
from tqdm import tqdm

from dlvc.csv_logger import CSVLogger
from dlvc.dataset.oxfordpets import OxfordPetsCustom


class BaseTrainer(metaclass=ABCMeta):
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
        self.train_metric = train_metric
        self.val_metric = val_metric
        self.subtract_one = isinstance(train_data, OxfordPetsCustom)
        self.device = device
        self.num_epochs = num_epochs
        self.training_save_dir = Path(training_save_dir)
        self.val_frequency = val_frequency

        self.train_loader = torch.utils.data.DataLoader(train_data, batch_size=batch_size, shuffle=True,
                                                        num_workers=2)
        self.val_loader = torch.utils.data.DataLoader(val_data, batch_size=batch_size, shuffle=False,
                                                      num_workers=1)
        self.csv = CSVLogger(self.training_save_dir / "log.csv")

    def _forward(self, images, labels):
        labels = labels.squeeze(1)
        if self.subtract_one:
            labels = labels - 1
        out = self.model(images.to(self.device))
        out = out["out"] if isinstance(out, dict) else out
        return out, labels, self.loss_fn(out, labels.to(self.device))

    def _train_epoch(self, epoch_idx: int) -> Tuple[float, float]:
        self.model.train()
        self.train_metric.reset()
        losses = 0.
        for images, labels in tqdm(self.train_loader, desc="train"):
            self.optimizer.zero_grad()
            out, labels, loss = self._forward(images, labels)
            loss.backward()
            self.optimizer.step()
            losses += loss.item() * images.size(0)
            self.train_metric.update(out.detach().cpu(), labels)
        self.lr_scheduler.step()
        return losses / len(self.train_loader.dataset), self.train_metric.mIoU()

    @torch.no_grad()
    def _val_epoch(self, epoch_idx: int) -> Tuple[float, float]:
        self.model.eval()
        self.val_metric.reset()
        losses = 0.
        for images, labels in tqdm(self.val_loader, desc="eval"):
            out, labels, loss = self._forward(images, labels)
            losses += loss.item() * images.size(0)
            self.val_metric.update(out.cpu(), labels)
        return losses / len(self.val_loader.dataset), self.val_metric.mIoU()

    def train(self) -> None:
        best = -1.
        for epoch in range(self.num_epochs):
            row = {"epoch": epoch, "lr": self.optimizer.param_groups[0]["lr"]}
            row["train_loss"], row["train_miou"] = self._train_epoch(epoch)
            if epoch % self.val_frequency == 0:
                row["val_loss"], row["val_miou"] = self._val_epoch(epoch)
                if row["val_miou"] > best:
                    best = row["val_miou"]
                    self.model.save(self.training_save_dir, suffix="best")
            print(row)
            self.csv.log(**row)
        self.model.save(self.training_save_dir, suffix="last")

    def dispose(self) -> None:
        pass
