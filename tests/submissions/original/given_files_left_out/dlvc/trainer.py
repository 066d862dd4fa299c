from pathlib import Path
from typing import Tuple
from abc import ABCMeta, abstractmethod
import json

import torch
from torch.utils.data import DataLoader
from tqdm import tqdm


class BaseTrainer(metaclass=ABCMeta):
    @abstractmethod
    def train(self) -> None:
        pass

    @abstractmethod
    def _val_epoch(self, epoch_idx: int) -> Tuple[float, float]:
        pass

    @abstractmethod
    def _train_epoch(self, epoch_idx: int) -> Tuple[float, float]:
        pass


class ImgSemSegTrainer(BaseTrainer):
    '''
    Mixed precision if there is a GPU, normal precision if not. Curves go to a json (we do not use wandb).
    '''

    def __init__(self, model, optimizer, loss_fn, lr_scheduler, train_metric, val_metric, train_data, val_data, device,
                 num_epochs: int, training_save_dir: Path, batch_size: int = 4, val_frequency: int = 5) -> None:
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

        # labels of the pets are 1..3
        self.label_offset = 1 if 'oxford' in type(train_data).__name__.lower() else 0

        self.train_loader = DataLoader(train_data, batch_size=batch_size, shuffle=True, num_workers=2,
                                       pin_memory=torch.cuda.is_available())
        self.val_loader = DataLoader(val_data, batch_size=batch_size, shuffle=False, num_workers=1)

        self.use_amp = torch.cuda.is_available()
        self.scaler = torch.amp.GradScaler('cuda', enabled=self.use_amp)
        self.history = []

    def _forward(self, images, labels):
        with torch.autocast('cuda', dtype=torch.float16, enabled=self.use_amp):
            output = self.model(images)
            if isinstance(output, dict):
                output = output['out']
            loss = self.loss_fn(output, labels)
        return output, loss

    def _to_device(self, images, labels):
        labels = labels.squeeze(1).long() - self.label_offset
        return images.to(self.device, non_blocking=True), labels.to(self.device, non_blocking=True)

    def _train_epoch(self, epoch_idx: int) -> Tuple[float, float]:
        self.model.train()
        self.train_metric.reset()
        losses = []
        sizes = []
        for images, labels in tqdm(self.train_loader, desc=f'train {epoch_idx}'):
            images, labels = self._to_device(images, labels)
            output, loss = self._forward(images, labels)
            self.optimizer.zero_grad()
            self.scaler.scale(loss).backward()
            self.scaler.step(self.optimizer)
            self.scaler.update()
            losses.append(loss.item() * images.shape[0])
            sizes.append(images.shape[0])
            self.train_metric.update(output.detach().float(), labels)
        self.lr_scheduler.step()
        loss = sum(losses) / sum(sizes)
        print(f'[{epoch_idx}] train: loss={loss:.4f} {self.train_metric}')
        return loss, self.train_metric.mIoU()

    @torch.no_grad()
    def _val_epoch(self, epoch_idx: int) -> Tuple[float, float]:
        self.model.eval()
        self.val_metric.reset()
        losses = []
        sizes = []
        for images, labels in tqdm(self.val_loader, desc=f'val {epoch_idx}'):
            images, labels = self._to_device(images, labels)
            output, loss = self._forward(images, labels)
            losses.append(loss.item() * images.shape[0])
            sizes.append(images.shape[0])
            self.val_metric.update(output.float(), labels)
        loss = sum(losses) / sum(sizes)
        print(f'[{epoch_idx}] val: loss={loss:.4f} {self.val_metric}')
        return loss, self.val_metric.mIoU()

    def train(self) -> None:
        best_miou = -1.0
        for epoch_idx in range(self.num_epochs):
            row = {'epoch': epoch_idx}
            row['train_loss'], row['train_miou'] = self._train_epoch(epoch_idx)

            is_last = epoch_idx == self.num_epochs - 1
            if epoch_idx % self.val_frequency == 0 or is_last:
                row['val_loss'], row['val_miou'] = self._val_epoch(epoch_idx)
                if row['val_miou'] > best_miou:
                    best_miou = row['val_miou']
                    self.model.save(self.training_save_dir, 'best')

            # always, so that a killed job does not lose everything
            self.model.save(self.training_save_dir, 'last')
            self.history.append(row)
            with open(self.training_save_dir / 'curves.json', 'w') as f:
                json.dump(self.history, f, indent=1)

    def dispose(self) -> None:
        pass
