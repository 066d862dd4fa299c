from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import torch
from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import ExponentialLR

from dlvc.metrics import SegMetrics
from dlvc.models.segment_model import DeepSegmenter
from dlvc.trainer import ImgSemSegTrainer

SAVED = Path("saved_models")


@dataclass(frozen=True)
class Run:
    """One experiment. `groups` picks what is trained, and how fast."""

    net: Callable[[int], nn.Module]
    data: Callable[[], tuple]
    lr: float = 1e-3
    epochs: int = 31
    batch_size: int = 64
    groups: Callable[[nn.Module, float], list[dict]] = lambda net, lr: [{"params": net.parameters(), "lr": lr}]

    def __call__(self, name: str) -> None:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        train, val = self.data()
        classes = train.classes_seg
        model = DeepSegmenter(self.net(len(classes))).to(device)
        optimizer = AdamW(self.groups(model.net, self.lr), lr=self.lr, amsgrad=True)
        (folder := SAVED / name).mkdir(parents=True, exist_ok=True)
        ImgSemSegTrainer(
            model, optimizer, nn.CrossEntropyLoss(ignore_index=255), ExponentialLR(optimizer, 0.98),
            SegMetrics(classes), SegMetrics(classes), train, val, device,
            self.epochs, folder, self.batch_size, val_frequency=2,
        ).train()
