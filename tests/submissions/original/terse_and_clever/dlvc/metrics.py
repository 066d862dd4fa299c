"""mIoU from one confusion matrix, no Python loop over anything."""
from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import one_hot

VOID = 255


class PerformanceMeasure(ABC):

    @abstractmethod
    def reset(self) -> None: ...

    @abstractmethod
    def update(self, prediction: Tensor, target: Tensor) -> None: ...

    @abstractmethod
    def __str__(self) -> str: ...


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


class SegMetrics(PerformanceMeasure):

    def __init__(self, classes: Sequence | int):
        self.classes = classes
        self.c = classes if isinstance(classes, int) else len(classes)
        self.reset()

    def reset(self) -> None:
        self._cm = torch.zeros(self.c, self.c, dtype=torch.float64)  # [truth, guess]

    def update(self, prediction: Tensor, target: Tensor) -> None:
        _require(prediction.ndim == 4 and target.ndim == 3,
                 f"want (b,c,h,w) and (b,h,w), got {prediction.ndim}-d and {target.ndim}-d")
        (b, c, *hw), (tb, *thw) = prediction.shape, target.shape
        _require(c == self.c, f"{c} score maps for {self.c} classes")
        _require((b, *hw) == (tb, *thw), f"sizes differ: {(b, *hw)} != {(tb, *thw)}")

        seen = target != VOID
        truth, guess = target[seen].long(), prediction.argmax(1)[seen]
        if not truth.numel():
            return
        lo, hi = truth.aminmax()
        _require(lo >= 0 and hi < self.c, f"labels {lo}..{hi} are not in 0..{self.c - 1}")

        hot = (one_hot(t, self.c).float() for t in (truth, guess))
        self._cm += torch.einsum("ni,nj->ij", *hot).double().cpu()

    def mIoU(self) -> float:
        inter = self._cm.diagonal()
        union = self._cm.sum(0) + self._cm.sum(1) - inter
        return (inter / union).nan_to_num(nan=0.0).mean().item()  # 0/0 counts as 0

    def __str__(self) -> str:
        return f"mIoU: {self.mIoU():.2f}"
