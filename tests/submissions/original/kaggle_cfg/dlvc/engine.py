import os
import random

import numpy as np
import torch
from tqdm import tqdm


def seed_everything(seed=42):
    random.seed(seed)
    os.environ["PYTHONHASHSEED"] = str(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.cuda.manual_seed_all(seed)
    torch.backends.cudnn.benchmark = True


class AverageMeter:
    def __init__(self):
        self.reset()

    def reset(self):
        self.sum = 0.0
        self.count = 0

    def update(self, val, n=1):
        self.sum += val * n
        self.count += n

    @property
    def avg(self):
        return self.sum / max(self.count, 1)


def get_logits(model, x):
    out = model(x)
    return out["out"] if isinstance(out, dict) else out


def train_one_epoch(model, loader, criterion, optimizer, scheduler, scaler, metric, cfg):
    model.train()
    metric.reset()
    losses = AverageMeter()
    pbar = tqdm(loader, total=len(loader), desc="train")
    for x, y in pbar:
        x = x.to(cfg.device, non_blocking=True)
        y = y.to(cfg.device, non_blocking=True)

        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device_type=cfg.device.type, enabled=cfg.amp):
            logits = get_logits(model, x)
            loss = criterion(logits.float(), y)

        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), cfg.max_norm)
        scaler.step(optimizer)
        scaler.update()
        scheduler.step()

        losses.update(loss.item(), x.size(0))
        metric.update(logits.detach().float().cpu(), y.cpu())
        pbar.set_postfix(loss=f"{losses.avg:.4f}", lr=f"{optimizer.param_groups[0]['lr']:.2e}")
    return losses.avg, metric.mIoU()


@torch.no_grad()
def valid_one_epoch(model, loader, criterion, metric, cfg):
    model.eval()
    metric.reset()
    losses = AverageMeter()
    for x, y in tqdm(loader, total=len(loader), desc="valid"):
        x = x.to(cfg.device, non_blocking=True)
        y = y.to(cfg.device, non_blocking=True)
        with torch.autocast(device_type=cfg.device.type, enabled=cfg.amp):
            logits = get_logits(model, x)
            loss = criterion(logits.float(), y)
        losses.update(loss.item(), x.size(0))
        metric.update(logits.float().cpu(), y.cpu())
    return losses.avg, metric.mIoU()


def run_training(name, model, train_loader, valid_loader, criterion, optimizer, scheduler, train_metric, valid_metric,
                 cfg):
    scaler = torch.amp.GradScaler(cfg.device.type, enabled=cfg.amp)
    best = -1.0
    history = []
    for epoch in range(cfg.epochs):
        tr_loss, tr_miou = train_one_epoch(model, train_loader, criterion, optimizer, scheduler, scaler, train_metric,
                                           cfg)
        row = {"epoch": epoch, "train_loss": tr_loss, "train_miou": tr_miou}

        if epoch % cfg.valid_every == 0 or epoch == cfg.epochs - 1:
            va_loss, va_miou = valid_one_epoch(model, valid_loader, criterion, valid_metric, cfg)
            row.update(valid_loss=va_loss, valid_miou=va_miou)
            if va_miou > best:
                best = va_miou
                torch.save({"model": model.state_dict(), "epoch": epoch, "miou": best}, cfg.out / f"{name}_best.pth")

        history.append(row)
        print(" | ".join(f"{k} {v:.4f}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()))

    torch.save({"model": model.state_dict(), "epoch": cfg.epochs - 1, "miou": best}, cfg.out / f"{name}_last.pth")
    keys = ["epoch", "train_loss", "train_miou", "valid_loss", "valid_miou"]
    with open(cfg.out / f"{name}_history.csv", "w") as f:
        f.write(",".join(keys) + "\n")
        for row in history:
            f.write(",".join(str(row.get(k, "")) for k in keys) + "\n")
    print(f"{name}: best valid mIoU {best:.4f}")
    return best
