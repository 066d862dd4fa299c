import sys
from pathlib import Path

import torch


class ImgSemSegTrainer:
    '''
    Adapted from our trainer of assignment 1. No wandb, every epoch is one line in log.tsv.
    '''

    def __init__(self, model, optimizer, loss_fn, lr_scheduler, train_metric, val_metric, train_data, val_data, device,
                 num_epochs, training_save_dir, batch_size=4, val_frequency=5, num_workers=2, shift=0):
        self.model = model
        self.optimizer = optimizer
        self.loss_fn = loss_fn
        self.lr_scheduler = lr_scheduler
        self.train_metric = train_metric
        self.val_metric = val_metric
        self.device = device
        self.num_epochs = num_epochs
        self.save_dir = Path(training_save_dir)
        self.val_frequency = val_frequency
        # is subtracted from the labels of the data set
        self.shift = shift

        self.train_loader = torch.utils.data.DataLoader(train_data, batch_size=batch_size, shuffle=True,
                                                        num_workers=num_workers)
        self.val_loader = torch.utils.data.DataLoader(val_data, batch_size=batch_size, shuffle=False,
                                                      num_workers=num_workers)

    def _forward(self, image, label):
        label = torch.squeeze(label, 1) - self.shift
        label = label.to(self.device)
        out = self.model(image.to(self.device))
        if hasattr(out, "keys"):
            out = out["out"]
        return out, label

    def _train_epoch(self, epoch):
        self.model.train()
        self.train_metric.reset()
        losses, sizes = [], []
        for image, label in self.train_loader:
            self.optimizer.zero_grad()
            out, label = self._forward(image, label)
            loss = self.loss_fn(out, label)
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item() * len(image))
            sizes.append(len(image))
            self.train_metric.update(out.detach().cpu(), label.cpu())
        self.lr_scheduler.step()
        return sum(losses) / sum(sizes), self.train_metric.mIoU()

    @torch.no_grad()
    def _val_epoch(self, epoch):
        self.model.eval()
        self.val_metric.reset()
        losses, sizes = [], []
        for image, label in self.val_loader:
            out, label = self._forward(image, label)
            losses.append(self.loss_fn(out, label).item() * len(image))
            sizes.append(len(image))
            self.val_metric.update(out.cpu(), label.cpu())
        return sum(losses) / sum(sizes), self.val_metric.mIoU()

    def train(self):
        best = 0.
        with open(self.save_dir / "log.tsv", "w") as log:
            for epoch in range(self.num_epochs):
                line = [epoch, *self._train_epoch(epoch)]
                end = epoch + 1 == self.num_epochs
                if end or epoch % self.val_frequency == 0:
                    line += self._val_epoch(epoch)
                    if line[-1] >= best:
                        best = line[-1]
                        self.model.save(self.save_dir, suffix="best")
                    if end:
                        self.model.save(self.save_dir, suffix="last")
                text = "\t".join(f"{v:.5g}" for v in line)
                print(text, file=log, flush=True)
                print(text, file=sys.stderr)
