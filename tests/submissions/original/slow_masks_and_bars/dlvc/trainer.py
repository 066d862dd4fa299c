from pathlib import Path
from typing import Tuple
from abc import ABCMeta, abstractmethod
import time

import torch
from tqdm import tqdm

from dlvc.wandb_logger import WandBLogger
from dlvc.dataset.oxfordpets import OxfordPetsCustom


class BaseTrainer(metaclass=ABCMeta):

    @abstractmethod
    def train(self) -> None:
        pass

    @abstractmethod
    def _val_epoch(self, epoch_idx):
        pass

    @abstractmethod
    def _train_epoch(self, epoch_idx):
        pass


class ImgSemSegTrainer(BaseTrainer):

    def __init__(self, model, optimizer, loss_fn, lr_scheduler, train_metric, val_metric,
                 train_data, val_data, device, num_epochs: int, training_save_dir: Path,
                 batch_size: int = 4, val_frequency: int = 5):
        self.model = model
        self.optimizer = optimizer
        self.loss_fn = loss_fn
        self.lr_scheduler = lr_scheduler
        self.train_metric = train_metric
        self.val_metric = val_metric
        self.device = device
        self.num_epochs = num_epochs
        self.training_save_dir = training_save_dir
        self.batch_size = batch_size
        self.val_frequency = val_frequency

        self.is_pets = isinstance(train_data, OxfordPetsCustom)
        self.n_train = len(train_data)
        self.n_val = len(val_data)
        self.train_dl = torch.utils.data.DataLoader(train_data, batch_size=batch_size, shuffle=True, num_workers=2)
        self.val_dl = torch.utils.data.DataLoader(val_data, batch_size=batch_size, shuffle=False, num_workers=1)
        print(f"train: {self.n_train} Bilder, {len(self.train_dl)} batches")
        print(f"val:   {self.n_val} Bilder, {len(self.val_dl)} batches")

        self.logger = WandBLogger(enabled=True, model=model, run_name=str(training_save_dir))

    def _train_epoch(self, epoch_idx: int) -> Tuple[float, float]:
        print(f"--- Epoche {epoch_idx + 1} von {self.num_epochs} (train), lr = {self.optimizer.param_groups[0]['lr']:.6f}")
        t0 = time.time()
        self.model.train()
        self.train_metric.reset()
        epoch_loss = 0.0

        bar = tqdm(self.train_dl, total=len(self.train_dl), leave=False)
        for i, (x, y) in enumerate(bar):
            x = x.to(self.device)
            y = y.to(self.device).squeeze(1)
            if self.is_pets:
                y = y - 1

            self.optimizer.zero_grad(set_to_none=True)
            y_hat = self.model(x)
            if isinstance(y_hat, dict):
                y_hat = y_hat["out"]
            loss = self.loss_fn(y_hat, y)
            loss.backward()
            self.optimizer.step()

            epoch_loss += loss.item() * x.shape[0]
            self.train_metric.update(y_hat.detach().cpu(), y.detach().cpu())
            # zeigt den metric von *vorher*, aber besser als nix
            bar.set_description(f"loss {loss.item():.3f} {self.train_metric}")

        self.lr_scheduler.step()
        epoch_loss = epoch_loss / self.n_train
        miou = self.train_metric.mIoU()
        print(f"    train loss {epoch_loss:.4f}, {self.train_metric}, {time.time() - t0:.1f}s")
        return epoch_loss, miou

    def _val_epoch(self, epoch_idx: int) -> Tuple[float, float]:
        print(f"--- Epoche {epoch_idx + 1} von {self.num_epochs} (val)")
        self.model.eval()
        self.val_metric.reset()
        epoch_loss = 0.0

        with torch.no_grad():
            bar = tqdm(self.val_dl, total=len(self.val_dl), leave=False)
            for x, y in bar:
                x = x.to(self.device)
                y = y.to(self.device).squeeze(1)
                if self.is_pets:
                    y = y - 1
                y_hat = self.model(x)
                if isinstance(y_hat, dict):
                    y_hat = y_hat["out"]
                loss = self.loss_fn(y_hat, y)
                epoch_loss += loss.item() * x.shape[0]
                self.val_metric.update(y_hat.cpu(), y.cpu())
                bar.set_description(f"loss {loss.item():.3f} {self.val_metric}")

        epoch_loss = epoch_loss / self.n_val
        miou = self.val_metric.mIoU()
        print(f"    val loss {epoch_loss:.4f}, {self.val_metric}")
        return epoch_loss, miou

    def train(self) -> None:
        best_miou = -1
        for epoch in range(self.num_epochs):
            loss, miou = self._train_epoch(epoch)
            self.logger.log({"train/loss": loss, "train/mIoU": miou}, step=epoch)

            if epoch % self.val_frequency == 0:
                val_loss, val_miou = self._val_epoch(epoch)
                self.logger.log({"val/loss": val_loss, "val/mIoU": val_miou}, step=epoch)
                if val_miou > best_miou:
                    print(f"    neues bestes Modell! {best_miou:.4f} -> {val_miou:.4f}")
                    best_miou = val_miou
                    self.model.save(self.training_save_dir, "best")

            if epoch == self.num_epochs - 1:
                self.model.save(self.training_save_dir, "last")
        print("fertig, best mIoU", best_miou)

    def dispose(self):
        self.logger.finish()
