import torch
from pathlib import Path
from tqdm import tqdm

from dlvc.trainer_reference_impl import BaseTrainer
from dlvc.wandb_logger import WandBLogger


class ImgSemSegTrainer(BaseTrainer):

    def __init__(self, model, optimizer, loss_fn, lr_scheduler, train_metric, val_metric,
                 train_data, val_data, device, num_epochs, training_save_dir,
                 batch_size=4, val_frequency=5):
        self.model = model
        self.optimizer = optimizer
        self.loss_fn = loss_fn
        self.lr_scheduler = lr_scheduler
        self.train_metric = train_metric
        self.val_metric = val_metric
        self.train_data = train_data
        self.val_data = val_data
        self.device = device
        self.num_epochs = num_epochs
        self.training_save_dir = training_save_dir
        self.batch_size = batch_size
        self.val_frequency = val_frequency

        # windows -> num_workers 0
        self.dl_train = torch.utils.data.DataLoader(train_data, batch_size=batch_size, shuffle=True, num_workers=0)
        self.dl_val = torch.utils.data.DataLoader(val_data, batch_size=batch_size, shuffle=False, num_workers=0)

        self.logger = WandBLogger(enabled=True, model=model, run_name=model.net._get_name())

    def fix_labels(self, y):
        y = y.squeeze(1)
        # 3 classes = pets
        if len(self.train_metric.classes) == 3:
            y = y - 1
        return y

    def _train_epoch(self, epoch_idx):
        self.model.train()
        self.train_metric.reset()
        loss_sum = 0
        n = 0
        for x, y in tqdm(self.dl_train):
            x = x.cuda()
            y = self.fix_labels(y).cuda()
            self.optimizer.zero_grad()
            out = self.model(x)
            if type(out) is not torch.Tensor:
                out = out['out']
            # print(out.shape, y.shape, y.unique())
            loss = self.loss_fn(out, y)
            loss.backward()
            self.optimizer.step()
            loss_sum += loss.item() * x.shape[0]
            n += x.shape[0]
            self.train_metric.update(out.detach().cpu(), y.cpu())
        self.lr_scheduler.step()
        miou = self.train_metric.mIoU()
        print('TRAIN', epoch_idx, loss_sum / n, self.train_metric)
        return loss_sum / n, miou

    def _val_epoch(self, epoch_idx):
        self.model.eval()
        self.val_metric.reset()
        loss_sum = 0
        n = 0
        with torch.no_grad():
            for x, y in tqdm(self.dl_val):
                x = x.cuda()
                y = self.fix_labels(y).cuda()
                out = self.model(x)
                if type(out) is not torch.Tensor:
                    out = out['out']
                loss = self.loss_fn(out, y)
                loss_sum += loss.item() * x.shape[0]
                n += x.shape[0]
                self.val_metric.update(out.cpu(), y.cpu())
        miou = self.val_metric.mIoU()
        print('VAL', epoch_idx, loss_sum / n, self.val_metric)
        return loss_sum / n, miou

    def train(self):
        best = 0
        for e in range(self.num_epochs):
            tl, tm = self._train_epoch(e)
            # if True:
            if e % self.val_frequency == 0:
                vl, vm = self._val_epoch(e)
                self.logger.log({'epoch': e, 'train/loss': tl, 'train/mIoU': tm, 'val/loss': vl, 'val/mIoU': vm})
                if vm > best:
                    best = vm
                    self.model.save(Path(self.training_save_dir), suffix='best')
            else:
                self.logger.log({'epoch': e, 'train/loss': tl, 'train/mIoU': tm})
        self.model.save(Path(self.training_save_dir), suffix='last')

    def dispose(self):
        self.logger.finish()
