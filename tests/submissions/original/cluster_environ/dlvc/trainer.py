import csv
import time

import torch
from torch.utils.data import DataLoader

from dlvc import settings


class ImgSemSegTrainer:
    '''
    No progress bars (they fill the log files of slurm), one line for each epoch.
    '''

    def __init__(self, model, optimizer, loss_fn, lr_scheduler, train_metric, val_metric, train_data, val_data, device,
                 num_epochs, training_save_dir, batch_size=4, val_frequency=5):
        self.model = model
        self.optimizer = optimizer
        self.loss_fn = loss_fn
        self.lr_scheduler = lr_scheduler
        self.train_metric = train_metric
        self.val_metric = val_metric
        self.device = device
        self.num_epochs = num_epochs
        self.save_dir = training_save_dir
        self.val_frequency = val_frequency
        self.train_loader = DataLoader(train_data, batch_size=batch_size, shuffle=True, num_workers=settings.WORKERS)
        self.val_loader = DataLoader(val_data, batch_size=batch_size, shuffle=False, num_workers=settings.WORKERS)

    def _outputs(self, images):
        outputs = self.model(images)
        if isinstance(outputs, dict):
            outputs = outputs["out"]
        return outputs

    def _train_epoch(self, epoch_idx):
        self.model.train()
        self.train_metric.reset()
        loss_sum, n = 0.0, 0
        for images, labels in self.train_loader:
            images, labels = images.to(self.device), labels.squeeze(1).to(self.device)
            self.optimizer.zero_grad()
            outputs = self._outputs(images)
            loss = self.loss_fn(outputs, labels)
            loss.backward()
            self.optimizer.step()
            loss_sum += loss.item() * images.shape[0]
            n += images.shape[0]
            self.train_metric.update(outputs.detach().cpu(), labels.cpu())
        self.lr_scheduler.step()
        return loss_sum / n, self.train_metric.mIoU()

    def _val_epoch(self, epoch_idx):
        self.model.eval()
        self.val_metric.reset()
        loss_sum, n = 0.0, 0
        with torch.no_grad():
            for images, labels in self.val_loader:
                images, labels = images.to(self.device), labels.squeeze(1).to(self.device)
                outputs = self._outputs(images)
                loss_sum += self.loss_fn(outputs, labels).item() * images.shape[0]
                n += images.shape[0]
                self.val_metric.update(outputs.cpu(), labels.cpu())
        return loss_sum / n, self.val_metric.mIoU()

    def train(self):
        best = 0.0
        start = time.time()
        with open(self.save_dir / f"log_{settings.JOB_ID}.csv", "w", newline="") as f:
            log = csv.writer(f)
            log.writerow(["epoch", "train_loss", "train_miou", "val_loss", "val_miou"])
            for epoch in range(self.num_epochs):
                row = [epoch, *self._train_epoch(epoch)]
                if epoch % self.val_frequency == 0:
                    row.extend(self._val_epoch(epoch))
                    if row[-1] >= best:
                        best = row[-1]
                        self.model.save(self.save_dir, suffix="best")
                log.writerow(row)
                f.flush()
                print(f"[{time.time() - start:7.0f}s]", *(f"{v:.4f}" if isinstance(v, float) else v for v in row),
                      flush=True)
        self.model.save(self.save_dir, suffix="last")
