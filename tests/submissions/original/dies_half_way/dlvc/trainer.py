import torch
from typing import  Tuple
from abc import ABCMeta, abstractmethod
from pathlib import Path
from tqdm import tqdm

from dlvc.wandb_logger import WandBLogger

class BaseTrainer(metaclass=ABCMeta):
    '''
    Base class of all Trainers.
    '''

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
    """
    Class that stores the logic for training a model for image segmentation.
    """
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
        self.training_save_dir = training_save_dir
        self.val_frequency = val_frequency
        self.train_loader = torch.utils.data.DataLoader(train_data, batch_size=batch_size, shuffle=True)
        self.val_loader = torch.utils.data.DataLoader(val_data, batch_size=batch_size, shuffle=True)
        self.logger = WandBLogger(model=model)

    def _train_epoch(self, epoch_idx: int) -> Tuple[float, float]:
        total_loss = 0
        self.optimizer.zero_grad()
        self.train_metric.reset()
        for i, (images, labels) in tqdm(enumerate(self.train_loader)):
            images = images.to(self.device)
            labels = labels.squeeze().to(self.device)
            labels = labels - 1
            outputs = self.model(images)
            try:
                outputs = outputs['out']
            except:
                pass
            loss = self.loss_fn(outputs, labels)
            loss.backward()
            self.optimizer.step()
            self.lr_scheduler.step()
            total_loss += loss.item()
            self.train_metric.update(outputs, labels)
        print("epoch", epoch_idx, "loss", total_loss, str(self.train_metric))
        return total_loss, self.train_metric.mIoU()

    def _val_epoch(self, epoch_idx:int) -> Tuple[float, float]:
        self.model.eval()
        total_loss = 0
        for i, (images, labels) in tqdm(enumerate(self.val_loader)):
            images = images.to(self.device)
            labels = labels.squeeze().to(self.device)
            labels = labels - 1
            outputs = self.model(images)
            try:
                outputs = outputs['out']
            except:
                pass
            loss = self.loss_fn(outputs, labels)
            total_loss += loss.item()
            self.val_metric.update(outputs, labels)
        print("VAL epoch", epoch_idx, "loss", total_loss, str(self.val_metric))
        return total_loss, self.val_metric.mIoU()

    def train(self) -> None:
        self.model.train()
        best_mIoU = 0
        for epoch in range(self.num_epochs):
            train_loss, train_mIoU = self._train_epoch(epoch)
            if epoch % self.val_frequency == 0:
                val_loss, val_mIoU = self._val_epoch(epoch)
                self.logger.log({"train_loss": train_loss, "train_mIoU": train_mIoU, "val_loss": val_loss, "val_mIoU": val_mIoU})
                if val_mIoU > best_mIoU:
                    self.model.save(self.training_save_dir, "best")
        self.model.save(self.training_save_dir, "last")
