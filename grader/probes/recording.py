"""What a training script builds and feeds, written down while it runs; nothing here judges or raises by itself.

Classes keep their identity: only functions and `__init__` are wrapped, so that `isinstance`, subclasses and pickling
work as ever. PyTorch's own global hooks see every network and every step, however the script is written.
"""

import argparse
import functools
import math
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.optimizer import Optimizer, register_optimizer_step_pre_hook
from torch.utils.data import DataLoader, RandomSampler

from grader.probes.trainings import Trainings

MOST = 256
LOSSES = ("cross_entropy", "nll_loss")
LOSS_PARAMETERS = ("input", "target", "weight", "size_average", "ignore_index")


class Stop(BaseException):
    """Ends a script at a step when its time is over; no `except Exception` catches it."""


class Recorder:
    """Watches one run of a script from `install` on.

    Args:
        seconds: end the script at the first optimizer step after so long; at its very first, if that is 0.
        trainings: tells its trainings apart.
        known: end the script where a training of a kind begins that was seen already; it ends, too, at the first step
            after the training whose weights are kept.
    """

    def __init__(self, seconds: float | None, trainings: Trainings, known: Sequence[str] = ()) -> None:
        self._trainings = trainings
        self._known = known
        self._ends = math.inf if seconds is None else time.monotonic() + seconds
        self._network: nn.Module | None = None
        self._inside: nn.Module | None = None
        self._size = (0, 0)
        self._optimizers: list[tuple[weakref.ref[Optimizer], dict[str, Any]]] = []
        self._schedulers: list[tuple[weakref.ref[LRScheduler], dict[str, Any]]] = []
        self._steps: list[dict[str, Any]] = []
        self._forwards: list[dict[str, Any]] = []
        self._losses: list[dict[str, Any]] = []
        self._loaders: list[dict[str, Any]] = []
        self._saved: list[dict[str, Any]] = []
        self._parsers: list[argparse.ArgumentParser] = []
        self._namespace: Any = argparse.Namespace()
        self._stops = False

    def install(self) -> None:
        """Wrap what is to be watched."""
        before(argparse.ArgumentParser, "parse_known_args", lambda parser, *_a, **_k: self._parsers.append(parser))
        after(argparse.ArgumentParser, "parse_known_args", self._see_arguments)
        after(DataLoader, "__init__", lambda _, loader, *_a, **_k: self._see_loader(loader))
        after(Optimizer, "__init__", lambda _, made, *_a, **_k: self._see_optimizer(made))
        after(LRScheduler, "__init__", lambda _, made, *_a, **_k: self._see_scheduler(made))
        before(nn.Module, "__setattr__", self._see_attribute)
        for name in LOSSES:
            after(nn.functional, name, self._see_value)
            before(nn.functional, name, functools.partial(self._see_loss, name))
        register_module_forward_pre_hook(quiet(self._enter))
        register_module_forward_hook(quiet(self._leave), always_call=True)
        register_optimizer_step_pre_hook(self._see_step)

    def told(self) -> dict[str, Any]:
        """Everything that was seen, in JSON."""
        self._trainings.close()
        return {
            "options": sorted({option for parser in self._parsers for option in parser._option_string_actions}),
            "arguments": {
                str(name): value if isinstance(value, (bool, int, float)) else str(value)
                for name, value in vars(self._namespace).items()
            },
            "loaders": self._loaders,
            "forwards": self._forwards,
            "losses": self._losses,
            "optimizers": [told for _, told in self._optimizers],
            "schedulers": [told for _, told in self._schedulers],
            "steps": self._steps,
            "saved": self._saved,
            "trainings": self._trainings.told,
        }

    @property
    def parser(self) -> argparse.ArgumentParser | None:
        """The script's own parser, the first that read the command line."""
        return self._parsers[0] if self._parsers else None

    def broke_off(self) -> None:
        """The script ended with an error: what it was about to train is written down, too."""
        with suppress(Exception):
            self._trainings.attempt(self._network)

    def saved(self, path: str, shapes: dict[str, list[int]]) -> None:
        """A weights file was written, with tensors of these shapes."""
        self._trainings.add(self._saved, {"path": path, "shapes": shapes}, early=False)

    def loads(self) -> None:
        """A file is about to be loaded, which may be put into the network that was trained."""
        with suppress(Exception):
            self._trainings.close()

    def loaded(self, path: str, found: dict[str, str]) -> None:
        """A weights file was loaded, with these digests."""
        self._trainings.loaded(path, found)

    def _see_arguments(self, result: Any, *_positional: Any, **_named: Any) -> None:
        self._namespace = result[0]

    def _see_attribute(self, _module: nn.Module, name: str, value: Any) -> None:
        """A module has no attribute of this name, so setting it was to freeze its parameters, and does not."""
        if name == "requires_grad" and value is False:
            self._trainings.freezes_by_attribute = True

    def _see_loader(self, loader: DataLoader[Any]) -> None:
        shuffled = isinstance(loader.sampler, RandomSampler)
        self._trainings.add(self._loaders, {"batch_size": loader.batch_size, "shuffled": shuffled})

    def _see_optimizer(self, made: Optimizer) -> None:
        told = {**_settings(made), "held": []}
        self._trainings.mark(told)
        self._optimizers.append((weakref.ref(made), told))

    def _see_scheduler(self, made: LRScheduler) -> None:
        told = _scheduler(made)
        self._trainings.mark(told)
        self._schedulers.append((weakref.ref(made), told))

    def _see_loss(self, name: str, *positional: Any, **named: Any) -> None:
        given = named | dict(zip(LOSS_PARAMETERS, positional, strict=False))
        scores, target, ignored = given["input"], given["target"], given.get("ignore_index", -100)
        integral, (images, pixels) = not target.is_floating_point(), self._size
        by_image = target.reshape(images, -1) if integral and target.numel() == pixels else ()
        told = {
            "function": name,
            "classes": scores.shape[1] if scores.ndim > 1 else 1,
            "training": scores.requires_grad,
            "step": len(self._steps),
            "ignored": int(ignored),
            "integral": integral,
            "labels": target.unique().tolist()[:MOST] if integral else [],
            "by_image": [image.unique().tolist()[:MOST] for image in by_image],
            "pixels": pixels,
            "counted": int((target != ignored).sum()),
            "value": None,
        }
        self._trainings.add(self._losses, told, early=scores.requires_grad)

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
        training = module.training and torch.is_grad_enabled()
        told = {
            "training": training,
            "evaluation": not any(_changes_with_mode(each) for each in module.modules() if each.training),
            "shape": list(images.shape),
            "means": images.float().mean(dim=(2, 3)).tolist(),
            "plain": _plain(images.float()),
        }
        self._trainings.add(self._forwards, told, early=training)

    def _leave(self, module: nn.Module, _inputs: Any, _output: Any) -> None:
        if module is self._inside:
            self._inside = None

    def _see_step(self, optimizer: Optimizer, _positional: Any, _named: Any) -> None:
        with suppress(Exception):
            self._write_step(optimizer)
        if self._stops or time.monotonic() >= self._ends:
            raise Stop

    def _write_step(self, optimizer: Optimizer) -> None:
        if self._network is not None and self._trainings.step(optimizer, self._network):
            self._see_held(self._network)
        rates = [float(group["lr"]) for group in optimizer.param_groups]
        schedulers = [one for made, _ in self._schedulers if (one := made()) is not None]
        own = [one for one in schedulers if one.optimizer is optimizer] or schedulers
        epochs = [int(one.last_epoch) for one in own]
        told = {"optimizer": self._number(optimizer), "rates": rates, "epochs": epochs}
        self._trainings.add(self._steps, told, early=False)

    def _see_held(self, network: nn.Module) -> None:
        """Write down, where a training begins, its optimizers' settings and the parameters that they hold."""
        names = {id(value): name for name, value in network.named_parameters()}
        for made, told in self._optimizers:
            optimizer = made()
            if optimizer is not None and told["of"] == self._trainings.number:
                held = [value for group in optimizer.param_groups for value in group["params"]]
                told.update(_settings(optimizer), held=[names.get(id(value), "?") for value in held])
        self._stops = self._trainings.told[-1]["kind"] in self._known or self._trainings.kept is not None

    def _number(self, optimizer: Optimizer) -> int:
        return next((number for number, (made, _) in enumerate(self._optimizers) if made() is optimizer), -1)


def _settings(optimizer: Optimizer) -> dict[str, Any]:
    group = optimizer.param_groups[0]
    return {
        "kind": type(optimizer).__name__,
        "rate": float(group.get("initial_lr", group["lr"])),
        "amsgrad": bool(group.get("amsgrad", False)),
        "decay": float(group.get("weight_decay", 0.0)),
        "decoupled": isinstance(optimizer, torch.optim.AdamW) or bool(group.get("decoupled_weight_decay", False)),
    }


def _scheduler(scheduler: LRScheduler) -> dict[str, Any]:
    gamma = getattr(scheduler, "gamma", None)
    return {"kind": type(scheduler).__name__, "gamma": float(gamma) if isinstance(gamma, (int, float)) else None}


def _changes_with_mode(module: nn.Module) -> bool:
    """Whether training mode makes a difference to a layer."""
    return isinstance(module, (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd))


def _plain(images: torch.Tensor) -> bool:
    """Whether each picture has one colour, as the drawn pets have: pixels differ less than channels do."""
    within = images.std(dim=(2, 3)).mean() if images[0, 0].numel() > 1 else images.new_zeros(())
    between = (images.mean(dim=(2, 3)).amax(dim=1) - images.mean(dim=(2, 3)).amin(dim=1)).mean()
    return bool(within < between / 4)


def _images(inputs: tuple[Any, ...]) -> bool:
    """Whether a module is called with a batch (b, 3, h, w) of floats."""
    first = inputs[0] if inputs else None
    return isinstance(first, torch.Tensor) and first.is_floating_point() and first.ndim == 4 and first.shape[1] == 3


def quiet(look: Callable[..., None]) -> Callable[..., None]:
    """Let nothing that looking on runs into, however odd the objects, become the script's trouble."""

    @functools.wraps(look)
    def looking(*positional: Any, **named: Any) -> None:
        with suppress(Exception):
            look(*positional, **named)

    return looking


def before(owner: Any, name: str, look: Callable[..., Any]) -> None:
    """Have `look` see the arguments of every call of `owner.name`."""
    original, seen = getattr(owner, name), quiet(look)

    @functools.wraps(original)
    def wrapped(*positional: Any, **named: Any) -> Any:
        seen(*positional, **named)
        return original(*positional, **named)

    setattr(owner, name, wrapped)


def after(owner: Any, name: str, look: Callable[..., Any]) -> None:
    """Have `look` see the result and the arguments of every call of `owner.name`."""
    original, seen = getattr(owner, name), quiet(look)

    @functools.wraps(original)
    def wrapped(*positional: Any, **named: Any) -> Any:
        result = original(*positional, **named)
        seen(result, *positional, **named)
        return result

    setattr(owner, name, wrapped)
