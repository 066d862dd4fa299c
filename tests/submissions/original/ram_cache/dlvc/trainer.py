import json
from pathlib import Path

import torch


class RamTrainer:
    '''
    As ImgSemSegTrainer, but without DataLoader: the data are already tensors on the right device.
    '''

    def __init__(self, model, optimizer, loss_fn, lr_scheduler, train_metric, val_metric, train_data, val_data,
                 num_epochs, training_save_dir, batch_size, val_frequency=2):
        self.model = model
        self.optimizer = optimizer
        self.loss_fn = loss_fn
        self.lr_scheduler = lr_scheduler
        self.train_metric = train_metric
        self.val_metric = val_metric
        self.train_data = train_data
        self.val_data = val_data
        self.num_epochs = num_epochs
        self.save_dir = Path(training_save_dir)
        self.save_dir.mkdir(parents=True, exist_ok=True)
        self.batch_size = batch_size
        self.val_frequency = val_frequency

    def _predict(self, x):
        out = self.model(x)
        return out["out"] if isinstance(out, dict) else out

    def _train_epoch(self):
        self.model.train()
        self.train_metric.reset()
        loss_sum = 0.
        for x, y in self.train_data.batches(self.batch_size, shuffle=True):
            pred = self._predict(x)
            loss = self.loss_fn(pred, y)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            loss_sum += loss.item() * len(x)
            self.train_metric.update(pred, y)
        self.lr_scheduler.step()
        return loss_sum / len(self.train_data), self.train_metric.mIoU()

    @torch.inference_mode()
    def _val_epoch(self):
        self.model.eval()
        self.val_metric.reset()
        loss_sum = 0.
        for x, y in self.val_data.batches(self.batch_size):
            pred = self._predict(x)
            loss_sum += self.loss_fn(pred, y).item() * len(x)
            self.val_metric.update(pred, y)
        return loss_sum / len(self.val_data), self.val_metric.mIoU()

    def train(self):
        history = []
        best = -1.
        for epoch in range(self.num_epochs):
            loss, miou = self._train_epoch()
            entry = dict(epoch=epoch, train_loss=loss, train_miou=miou)
            if epoch % self.val_frequency == 0 or epoch == self.num_epochs - 1:
                loss, miou = self._val_epoch()
                entry.update(val_loss=loss, val_miou=miou)
                if miou > best:
                    best = miou
                    self.model.save(self.save_dir, suffix="best")
            history.append(entry)
            print("  ".join(f"{k}={v:.4g}" for k, v in entry.items()))
        self.model.save(self.save_dir, suffix="last")
        with open(self.save_dir / "history.json", "w") as f:
            json.dump(history, f)
        return best
