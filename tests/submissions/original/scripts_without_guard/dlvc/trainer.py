import torch
from torch.utils.data import DataLoader
from tqdm.auto import tqdm
from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.wandb_logger import WandBLogger

# adapted from trainer_reference_impl.py
class ImgSemSegTrainer:
    def __init__(self,model,optimizer,loss_fn,lr_scheduler,train_metric,val_metric,train_data,val_data,device,
                 num_epochs,training_save_dir,batch_size=4,val_frequency=5):
        self.model=model
        self.optimizer=optimizer
        self.loss_fn=loss_fn
        self.lr_scheduler=lr_scheduler
        self.train_metric=train_metric
        self.val_metric=val_metric
        self.device=device
        self.num_epochs=num_epochs
        self.save_dir=training_save_dir
        self.val_frequency=val_frequency
        self.pets=isinstance(train_data,OxfordPetsCustom)
        self.num_train_data=len(train_data)
        self.num_val_data=len(val_data)
        self.train_loader=DataLoader(train_data,batch_size=batch_size,shuffle=True,num_workers=2)
        self.val_loader=DataLoader(val_data,batch_size=batch_size,shuffle=False,num_workers=1)
        self.wandb=WandBLogger(model=model)
        self.best=0.

    def _step(self,batch,metric):
        x,y=batch
        y=y.squeeze(1)-1 if self.pets else y.squeeze(1)
        y=y.to(self.device)
        pred=self.model(x.to(self.device))
        if isinstance(pred,dict):
            pred=pred['out']
        loss=self.loss_fn(pred,y)
        metric.update(pred.detach().cpu(),y.detach().cpu())
        return loss,x.shape[0]

    def _train_epoch(self,epoch_idx):
        self.model.train()
        self.train_metric.reset()
        total=0.
        for batch in tqdm(self.train_loader,desc="train"):
            self.optimizer.zero_grad()
            loss,n=self._step(batch,self.train_metric)
            loss.backward()
            self.optimizer.step()
            total+=loss.item()*n
        self.lr_scheduler.step()
        print("epoch",epoch_idx,"train",total/self.num_train_data,self.train_metric)
        return total/self.num_train_data,self.train_metric.mIoU()

    def _val_epoch(self,epoch_idx):
        self.model.eval()
        self.val_metric.reset()
        total=0.
        with torch.no_grad():
            for batch in tqdm(self.val_loader,desc="eval"):
                loss,n=self._step(batch,self.val_metric)
                total+=loss.item()*n
        print("epoch",epoch_idx,"val",total/self.num_val_data,self.val_metric)
        return total/self.num_val_data,self.val_metric.mIoU()

    def train(self):
        for epoch in range(self.num_epochs):
            l,m=self._train_epoch(epoch)
            d={"epoch":epoch,"train/loss":l,"train/mIoU":m}
            if epoch%self.val_frequency==0:
                vl,vm=self._val_epoch(epoch)
                d["val/loss"]=vl
                d["val/mIoU"]=vm
                if vm>=self.best:
                    self.model.save(self.save_dir,suffix="best")
                    self.best=vm
                if epoch==self.num_epochs-1:
                    self.model.save(self.save_dir,suffix="last")
            self.wandb.log(d)

    def dispose(self):
        self.wandb.finish()
