from abc import ABCMeta, abstractmethod
from pathlib import Path
from typing import Tuple

import torch
from torch.utils.data import DataLoader
from tqdm import tqdm

from dlvc.dataset.oxfordpets import OxfordPetsCustom


class BaseTrainer(metaclass=ABCMeta):
    '''
    Base class of all trainers.
    '''

    @abstractmethod
    def train(self) -> None:
        '''
        Full training logic: all epochs, with validation in between.
        '''
        pass

    @abstractmethod
    def _val_epoch(self, epoch_idx: int) -> Tuple[float, float]:
        '''
        Validation logic of one epoch. Returns loss and mIoU.
        '''
        pass

    @abstractmethod
    def _train_epoch(self, epoch_idx: int) -> Tuple[float, float]:
        '''
        Training logic of one epoch. Returns loss and mIoU.
        '''
        pass


class ImgSemSegTrainer(BaseTrainer):
    '''
    Trains and validates a network for semantic segmentation.
    '''

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
                 val_frequency: int = 5):
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

        # labels of the pets are 1, 2, 3 on disk, those of cityscapes already start at 0
        self.label_offset = 1 if isinstance(train_data, OxfordPetsCustom) else 0

        self.train_loader = DataLoader(train_data, batch_size=batch_size, shuffle=True, num_workers=2)
        self.val_loader = DataLoader(val_data, batch_size=batch_size, shuffle=False, num_workers=1)

        # one dictionary for each epoch, plotted in the notebook
        self.logs = []

    def _prepare(self, batch):
        images, labels = batch
        images = images.to(self.device)
        labels = labels.squeeze(1).long() - self.label_offset
        labels = labels.to(self.device)
        return images, labels

    def _scores(self, images):
        out = self.model(images)
        # the networks of torchvision put their scores into a dictionary
        if isinstance(out, dict):
            out = out["out"]
        return out

    def _train_epoch(self, epoch_idx: int) -> Tuple[float, float]:
        self.model.train()
        self.train_metric.reset()
        total_loss = 0.0
        num_samples = 0

        for batch in tqdm(self.train_loader, desc=f"train {epoch_idx}"):
            images, labels = self._prepare(batch)

            self.optimizer.zero_grad()
            scores = self._scores(images)
            loss = self.loss_fn(scores, labels)
            loss.backward()
            self.optimizer.step()

            n = images.shape[0]
            total_loss += loss.item() * n
            num_samples += n
            self.train_metric.update(scores.detach().cpu(), labels.cpu())

        self.lr_scheduler.step()

        mean_loss = total_loss / num_samples
        print(f"epoch {epoch_idx} train: loss {mean_loss:.4f}, {self.train_metric}")
        return mean_loss, self.train_metric.mIoU()

    def _val_epoch(self, epoch_idx: int) -> Tuple[float, float]:
        self.model.eval()
        self.val_metric.reset()
        total_loss = 0.0
        num_samples = 0

        with torch.no_grad():
            for batch in tqdm(self.val_loader, desc=f"val {epoch_idx}"):
                images, labels = self._prepare(batch)
                scores = self._scores(images)
                loss = self.loss_fn(scores, labels)

                n = images.shape[0]
                total_loss += loss.item() * n
                num_samples += n
                self.val_metric.update(scores.cpu(), labels.cpu())

        mean_loss = total_loss / num_samples
        print(f"epoch {epoch_idx} val: loss {mean_loss:.4f}, {self.val_metric}")
        return mean_loss, self.val_metric.mIoU()

    def train(self) -> None:
        '''
        Trains for num_epochs epochs and validates every val_frequency-th one. The model is saved when the
        validation mIoU is better than before, and at the end of training.
        '''
        best_miou = -1.0

        for epoch in range(self.num_epochs):
            train_loss, train_miou = self._train_epoch(epoch)
            log = {"train_loss": train_loss, "train_mIoU": train_miou}

            if epoch % self.val_frequency == 0:
                val_loss, val_miou = self._val_epoch(epoch)
                log["val_loss"] = val_loss
                log["val_mIoU"] = val_miou

                if val_miou > best_miou:
                    best_miou = val_miou
                    self.model.save(self.save_dir, suffix="best")

            self.logs.append(log)

        self.model.save(self.save_dir, suffix="last")
