from pathlib import Path

import torch
from torch.utils.data import DataLoader
from tqdm import tqdm


class _NoLogger:
    def log(self, *args, **kwargs):
        pass

    def finish(self):
        pass


class ImgSemSegTrainer:
    def __init__(self, model, optimizer, loss_fn, lr_scheduler, train_metric, val_metric, train_data, val_data, device,
                 num_epochs, training_save_dir, batch_size=4, val_frequency=5, num_workers=2, first_label=0,
                 use_wandb=False):
        self.model = model
        self.optimizer = optimizer
        self.loss_fn = loss_fn
        self.lr_scheduler = lr_scheduler
        self.metric = {True: train_metric, False: val_metric}
        self.loader = {
            True: DataLoader(train_data, batch_size=batch_size, shuffle=True, num_workers=num_workers),
            False: DataLoader(val_data, batch_size=batch_size, shuffle=False, num_workers=num_workers),
        }
        self.device = device
        self.num_epochs = num_epochs
        self.save_dir = Path(training_save_dir)
        self.val_frequency = val_frequency
        self.first_label = first_label
        if use_wandb:
            # logs in as soon as it is imported
            from dlvc.wandb_logger import WandBLogger
            self.logger = WandBLogger(enabled=True, model=model, run_name=self.save_dir.name)
        else:
            self.logger = _NoLogger()

    def _epoch(self, training):
        metric = self.metric[training]
        metric.reset()
        loss_sum, count = 0., 0
        self.model.train(training)
        with torch.set_grad_enabled(training):
            for images, labels in tqdm(self.loader[training]):
                images = images.to(self.device)
                labels = labels.squeeze(1).to(self.device) - self.first_label
                scores = self.model(images)
                scores = scores["out"] if isinstance(scores, dict) else scores
                loss = self.loss_fn(scores, labels)
                if training:
                    self.optimizer.zero_grad()
                    loss.backward()
                    self.optimizer.step()
                loss_sum += loss.item() * images.size(0)
                count += images.size(0)
                metric.update(scores.detach().cpu(), labels.cpu())
        return loss_sum / count, metric.mIoU()

    def _train_epoch(self, epoch_idx):
        result = self._epoch(True)
        self.lr_scheduler.step()
        return result

    def _val_epoch(self, epoch_idx):
        return self._epoch(False)

    def train(self):
        best = None
        for epoch in range(self.num_epochs):
            loss, miou = self._train_epoch(epoch)
            values = {"train/loss": loss, "train/mIoU": miou}
            is_last = epoch == self.num_epochs - 1
            if epoch % self.val_frequency == 0 or is_last:
                loss, miou = self._val_epoch(epoch)
                values.update({"val/loss": loss, "val/mIoU": miou})
                if best is None or miou > best:
                    best = miou
                    self.model.save(self.save_dir, suffix="best")
            if is_last:
                self.model.save(self.save_dir, suffix="last")
            self.logger.log(values, step=epoch)
            print(f"epoch {epoch}: " + ", ".join(f"{k} {v:.4f}" for k, v in values.items()))

    def dispose(self):
        self.logger.finish()
