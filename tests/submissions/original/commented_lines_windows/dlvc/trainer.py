from abc import ABCMeta, abstractmethod
import os
from typing import Tuple

import torch
from tqdm import tqdm


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
    '''
    Class that stores the logic for training a model for image semantic segmentation.
    '''

    def __init__(self, model, optimizer, loss_fn, lr_scheduler, train_metric, val_metric, train_data, val_data,
                 device, num_epochs, training_save_dir, batch_size=4, val_frequency=5, subtract_one=True):
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
        self.subtract_one = subtract_one
        self.train_loader = torch.utils.data.DataLoader(train_data, batch_size=batch_size, shuffle=True,
                                                        num_workers=2)
        self.val_loader = torch.utils.data.DataLoader(val_data, batch_size=batch_size, shuffle=False,
                                                      num_workers=1)

    def _train_epoch(self, epoch_idx):
        self.model.train()
        self.train_metric.reset()
        running_loss = 0.0
        n = 0
        for data, target in tqdm(self.train_loader):
            data = data.to(self.device)
            target = target.squeeze(1).long().to(self.device)
            if self.subtract_one:
                target = target - 1

            self.optimizer.zero_grad()
            output = self.model(data)
            if not torch.is_tensor(output):   # fcn_resnet50 gives a dict
                output = output['out']
            loss = self.loss_fn(output, target)
            loss.backward()
            self.optimizer.step()

            running_loss += loss.item() * data.size(0)
            n += data.size(0)
            self.train_metric.update(output.detach(), target)
        self.lr_scheduler.step()
        print(f'\n______epoch {epoch_idx} \n\nLoss: {running_loss / n}\n{self.train_metric}')
        return running_loss / n, self.train_metric.mIoU()

    def _val_epoch(self, epoch_idx):
        self.model.eval()
        self.val_metric.reset()
        running_loss = 0.0
        n = 0
        with torch.no_grad():
            for data, target in tqdm(self.val_loader):
                data = data.to(self.device)
                target = target.squeeze(1).long().to(self.device)
                if self.subtract_one:
                    target = target - 1
                output = self.model(data)
                if not torch.is_tensor(output):
                    output = output['out']
                loss = self.loss_fn(output, target)
                running_loss += loss.item() * data.size(0)
                n += data.size(0)
                self.val_metric.update(output, target)
        print(f'\n______epoch {epoch_idx} - validation \n\nLoss: {running_loss / n}\n{self.val_metric}')
        return running_loss / n, self.val_metric.mIoU()

    def save_checkpoint(self, epoch, filename):
        # everything that is needed to go on with the training
        torch.save({'epoch': epoch,
                    'model': self.model.state_dict(),
                    'optimizer': self.optimizer.state_dict(),
                    'scheduler': self.lr_scheduler.state_dict()},
                   os.path.join(self.training_save_dir, filename))

    def train(self):
        best = -1
        log = open(os.path.join(self.training_save_dir, 'log.txt'), 'w')
        for epoch in range(self.num_epochs):
            train_loss, train_miou = self._train_epoch(epoch)
            line = f'{epoch};{train_loss};{train_miou}'
            if epoch % self.val_frequency == 0:
                val_loss, val_miou = self._val_epoch(epoch)
                line += f';{val_loss};{val_miou}'
                if val_miou > best:
                    best = val_miou
                    self.save_checkpoint(epoch, 'checkpoint_best.tar')
            log.write(line + '\n')
            log.flush()
        self.save_checkpoint(self.num_epochs - 1, 'checkpoint_last.tar')
        log.close()
