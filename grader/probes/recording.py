"""What a training script builds and feeds, written down while it runs; nothing here judges or raises by itself.

Classes keep their identity: only functions and `__init__` are wrapped, so that `isinstance`, subclasses and pickling
work as ever. PyTorch's own global hooks see every network and every step, however the script is written.
"""

import argparse
import functools
import hashlib
import math
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils.data import DataLoader, RandomSampler

MOST = 256
# Digests of the parameters at the first step are for SegFormer (4 million); an FCN has 33 million.
MOST_PARAMETERS = 10_000_000
LOSSES = ("cross_entropy", "nll_loss")
LOSS_PARAMETERS = ("input", "target", "weight", "size_average", "ignore_index")


class Stop(BaseException):
    """Ends a script at a step when its time is over; no `except Exception` catches it."""


def digest(value: torch.Tensor) -> str:
    """SHA-256 of a tensor's values, so that equal bits can be told without sending them."""
    plain = value.detach().cpu().contiguous()
    return hashlib.sha256(plain.view(-1).view(torch.uint8).numpy().data).hexdigest()


def digests(values: Iterable[tuple[str, torch.Tensor]]) -> dict[str, str]:
    """The digest of each named tensor."""
    return {name: digest(value) for name, value in values}


class Recorder:
    """Watches one run of a script from `install` on.

    Args:
        seconds: end the script at the first optimizer step after so long; at its very first, if that is 0.
    """

    def __init__(self, seconds: float | None) -> None:
        self._ends = math.inf if seconds is None else time.monotonic() + seconds
        self._network: nn.Module | None = None
        self._inside: nn.Module | None = None
        self._size = (0, 0)
        self._optimizers: list[torch.optim.Optimizer] = []
        self._schedulers: list[LRScheduler] = []
        self._start: dict[str, str] | None = None
        self._trained: dict[str, bool] = {}
        self._held: dict[int, list[str]] = {}
        self._steps: list[dict[str, Any]] = []
        self._forwards: list[dict[str, Any]] = []
        self._losses: list[dict[str, Any]] = []
        self._loaders: list[dict[str, Any]] = []
        self._options: set[str] = set()
        self._namespace: Any = argparse.Namespace()

    def install(self) -> None:
        """Wrap what is to be watched."""
        _before(argparse.ArgumentParser, "parse_known_args", self._see_parser)
        _after(argparse.ArgumentParser, "parse_known_args", self._see_arguments)
        _after(DataLoader, "__init__", lambda _, loader, *_a, **_k: self._see_loader(loader))
        _after(torch.optim.Optimizer, "__init__", lambda _, made, *_a, **_k: self._optimizers.append(made))
        _after(LRScheduler, "__init__", lambda _, made, *_a, **_k: self._schedulers.append(made))
        for name in LOSSES:
            _after(nn.functional, name, self._see_value)
            _before(nn.functional, name, functools.partial(self._see_loss, name))
        register_module_forward_pre_hook(_quiet(self._enter))
        register_module_forward_hook(_quiet(self._leave), always_call=True)
        register_optimizer_step_pre_hook(_quiet(self._see_step))

    def told(self) -> dict[str, Any]:
        """Everything that was seen, in JSON."""
        return {
            "options": sorted(self._options),
            "arguments": {
                str(name): value if isinstance(value, (bool, int, float)) else str(value)
                for name, value in vars(self._namespace).items()
            },
            "loaders": self._loaders,
            "forwards": self._forwards,
            "losses": self._losses,
            "optimizers": [self._optimizer(number) for number in range(len(self._optimizers))],
            "schedulers": [_scheduler(one) for one in self._schedulers],
            "steps": self._steps,
            "trained": self._trained,
            "start": self._start or {},
        }

    def _see_parser(self, parser: argparse.ArgumentParser, *_positional: Any, **_named: Any) -> None:
        self._options.update(option for action in parser._actions for option in action.option_strings)

    def _see_arguments(self, result: Any, *_positional: Any, **_named: Any) -> None:
        self._namespace = result[0]

    def _see_loader(self, loader: DataLoader[Any]) -> None:
        if len(self._loaders) < MOST:
            shuffled = isinstance(loader.sampler, RandomSampler)
            self._loaders.append({"batch_size": loader.batch_size, "shuffled": shuffled})

    def _see_loss(self, name: str, *positional: Any, **named: Any) -> None:
        given = named | dict(zip(LOSS_PARAMETERS, positional, strict=False))
        scores, target, ignored = given["input"], given["target"], given.get("ignore_index", -100)
        training = scores.requires_grad
        if sum(loss["training"] is training for loss in self._losses) == MOST:
            return
        integral, (images, pixels) = not target.is_floating_point(), self._size
        by_image = target.reshape(images, -1) if integral and target.numel() == pixels else ()
        self._losses.append(
            {
                "function": name,
                "classes": scores.shape[1] if scores.ndim > 1 else 1,
                "training": training,
                "step": len(self._steps),
                "ignored": int(ignored),
                "integral": integral,
                "labels": target.unique().tolist()[:MOST] if integral else [],
                "by_image": [image.unique().tolist()[:MOST] for image in by_image],
                "pixels": pixels,
                "counted": int((target != ignored).sum()),
                "value": None,
            }
        )

    def _see_value(self, result: Any, *_positional: Any, **_named: Any) -> None:
        """After a loss: it returned, so the latest record is its own, unless there was no room for one."""
        if self._losses and self._losses[-1]["value"] is None:
            self._losses[-1]["value"] = float(result.detach().float().mean())

    def _enter(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        """Before any module's forward: the outermost one with parameters that is given images is the network."""
        if self._inside is not None or not _images(inputs) or next(module.parameters(), None) is None:
            return
        self._inside = self._network = module
        images = inputs[0].detach()
        self._size = (len(images), images[:, 0].numel())
        if len(self._forwards) < MOST:
            self._forwards.append(
                {
                    "training": module.training and torch.is_grad_enabled(),
                    "evaluation": not any(_changes_with_mode(each) for each in module.modules() if each.training),
                    "shape": list(images.shape),
                    "means": images.float().mean(dim=(2, 3)).tolist(),
                }
            )

    def _leave(self, module: nn.Module, _inputs: Any, _output: Any) -> None:
        if module is self._inside:
            self._inside = None

    def _see_step(self, optimizer: torch.optim.Optimizer, _positional: Any, _named: Any) -> None:
        if self._start is None and self._network is not None:
            self._see_start(self._network)
        if len(self._steps) < MOST:
            rates = [float(group["lr"]) for group in optimizer.param_groups]
            epochs = [int(one.last_epoch) for one in self._schedulers]
            self._steps.append({"optimizer": self._number(optimizer), "rates": rates, "epochs": epochs})
        if time.monotonic() >= self._ends:
            raise Stop

    def _see_start(self, network: nn.Module) -> None:
        """Write down, at the first step, how training starts and what it may change."""
        named = dict(network.named_parameters())
        self._trained = {name: value.requires_grad for name, value in named.items()}
        small = sum(value.numel() for value in named.values()) <= MOST_PARAMETERS
        self._start = digests(named.items()) if small else {}
        names = {id(value): name for name, value in named.items()}
        for number, optimizer in enumerate(self._optimizers):
            held = [value for group in optimizer.param_groups for value in group["params"]]
            self._held[number] = [names.get(id(value), "?") for value in held]

    def _number(self, optimizer: torch.optim.Optimizer) -> int:
        return next((number for number, one in enumerate(self._optimizers) if one is optimizer), -1)

    def _optimizer(self, number: int) -> dict[str, Any]:
        optimizer = self._optimizers[number]
        group = optimizer.param_groups[0]
        return {
            "kind": type(optimizer).__name__,
            "rate": float(group.get("initial_lr", group["lr"])),
            "amsgrad": bool(group.get("amsgrad", False)),
            "decay": float(group.get("weight_decay", 0.0)),
            "decoupled": isinstance(optimizer, torch.optim.AdamW) or bool(group.get("decoupled_weight_decay", False)),
            "held": self._held.get(number, []),
        }


def _scheduler(scheduler: LRScheduler) -> dict[str, Any]:
    gamma = getattr(scheduler, "gamma", None)
    return {"kind": type(scheduler).__name__, "gamma": float(gamma) if isinstance(gamma, (int, float)) else None}


def _changes_with_mode(module: nn.Module) -> bool:
    """Whether training mode makes a difference to a layer."""
    return isinstance(module, (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd))


def _images(inputs: tuple[Any, ...]) -> bool:
    """Whether a module is called with a batch (b, 3, h, w) of floats."""
    first = inputs[0] if inputs else None
    return isinstance(first, torch.Tensor) and first.is_floating_point() and first.ndim == 4 and first.shape[1] == 3


def _quiet(look: Callable[..., None]) -> Callable[..., None]:
    """Let nothing that looking on runs into, however odd the objects, become the script's trouble."""

    @functools.wraps(look)
    def quiet(*positional: Any, **named: Any) -> None:
        with suppress(Exception):
            look(*positional, **named)

    return quiet


def _before(owner: Any, name: str, look: Callable[..., Any]) -> None:
    """Have `look` see the arguments of every call of `owner.name`."""
    original, seen = getattr(owner, name), _quiet(look)

    @functools.wraps(original)
    def wrapped(*positional: Any, **named: Any) -> Any:
        seen(*positional, **named)
        return original(*positional, **named)

    setattr(owner, name, wrapped)


def _after(owner: Any, name: str, look: Callable[..., Any]) -> None:
    """Have `look` see the result and the arguments of every call of `owner.name`."""
    original, seen = getattr(owner, name), _quiet(look)

    @functools.wraps(original)
    def wrapped(*positional: Any, **named: Any) -> Any:
        result = original(*positional, **named)
        seen(result, *positional, **named)
        return result

    setattr(owner, name, wrapped)


def state_of(loaded: Any) -> Mapping[str, torch.Tensor] | None:
    """A loaded file as a state dict, None if it is none."""
    whole = isinstance(loaded, Mapping) and loaded and all(isinstance(value, torch.Tensor) for value in loaded.values())
    return loaded if whole else None
