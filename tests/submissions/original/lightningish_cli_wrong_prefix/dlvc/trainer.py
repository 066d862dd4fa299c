import json
from abc import ABCMeta, abstractmethod
from pathlib import Path
from typing import Tuple

import torch
from torch.utils.data import DataLoader
from tqdm import tqdm


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
    '''
    Labels have to start at 0, which is done by the transforms of the data.
    '''

    def __init__(self, model, optimizer, loss_fn, lr_scheduler, train_metric, val_metric, train_data, val_data,
                 device, num_epochs, training_save_dir, batch_size=4, val_frequency=5):
        self.model = model
        self.optimizer = optimizer
        self.loss_fn = loss_fn
        self.lr_scheduler = lr_scheduler
        self.train_metric = train_metric
        self.val_metric = val_metric
        self.device = device
        self.num_epochs = num_epochs
        self.training_save_dir = Path(training_save_dir)
        self.val_frequency = val_frequency
        self.train_loader = DataLoader(train_data, batch_size=batch_size, shuffle=True, num_workers=2)
        self.val_loader = DataLoader(val_data, batch_size=batch_size, num_workers=1)
        self.history = []

    def _shared_step(self, batch):
        x, y = batch
        x, y = x.to(self.device), y.squeeze(1).to(self.device)
        y_hat = self.model(x)
        if isinstance(y_hat, dict):
            y_hat = y_hat["out"]
        return y_hat, y, self.loss_fn(y_hat, y)

    def _train_epoch(self, epoch_idx):
        self.model.train()
        self.train_metric.reset()
        total, n = 0., 0
        bar = tqdm(self.train_loader, desc=f"epoch {epoch_idx} train")
        for batch in bar:
            y_hat, y, loss = self._shared_step(batch)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total += loss.item() * len(y)
            n += len(y)
            self.train_metric.update(y_hat.detach().cpu(), y.cpu())
            bar.set_postfix(loss=total / n)
        self.lr_scheduler.step()
        return total / n, self.train_metric.mIoU()

    @torch.no_grad()
    def _val_epoch(self, epoch_idx=None, loader=None):
        self.model.eval()
        self.val_metric.reset()
        total, n = 0., 0
        for batch in tqdm(loader or self.val_loader, desc=f"epoch {epoch_idx} val"):
            y_hat, y, loss = self._shared_step(batch)
            total += loss.item() * len(y)
            n += len(y)
            self.val_metric.update(y_hat.cpu(), y.cpu())
        return total / n, self.val_metric.mIoU()

    def train(self):
        best = None
        for epoch in range(self.num_epochs):
            loss, miou = self._train_epoch(epoch)
            row = dict(epoch=epoch, train_loss=loss, train_miou=miou)
            if epoch % self.val_frequency == 0:
                loss, miou = self._val_epoch(epoch)
                row.update(val_loss=loss, val_miou=miou)
                if best is None or miou > best:
                    best = miou
                    self.model.save(self.training_save_dir, suffix="best")
            self.history.append(row)
            with open(self.training_save_dir / "history.json", "w") as f:
                json.dump(self.history, f, indent=1)
            print(row)
        self.model.save(self.training_save_dir, suffix="last")

    def test(self, data, batch_size=64):
        '''
        Evaluates the best model of this run.
        '''
        name = type(self.model.net).__name__
        self.model.load(self.training_save_dir / f"{name}_model_best.pth")
        loss, miou = self._val_epoch("test", DataLoader(data, batch_size=batch_size, num_workers=1))
        print(f"test: loss {loss:.4f}, mIoU {miou:.4f}")
        with open(self.training_save_dir / "test.json", "w") as f:
            json.dump({"loss": loss, "miou": miou}, f)
