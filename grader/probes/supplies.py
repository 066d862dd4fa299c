"""Weights for who asks for some: requests are written down and served from seeded random numbers, never fetched."""

import functools
import inspect
import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn
from urllib.error import URLError

import torch
from torch.overrides import TorchFunctionMode

from grader.probes.digests import digests
from grader.probes.trainings import Trainings
from grader.probes.weights import draw

MOST = 20
EVENTS = frozenset({"socket.getaddrinfo", "urllib.Request"})


class Supplier:
    """Stands between the code and the places that trained weights come from.

    Args:
        seed: of the weights that it serves.
        trainings: is told what was served.
    """

    def __init__(self, seed: int, trainings: Trainings) -> None:
        self._seed = seed
        self._trainings = trainings
        self._by_default = False
        self._requests: list[dict[str, Any]] = []

    def install(self) -> None:
        """Answer for torchvision's weights and torch.hub's downloads from now on."""
        import torchvision
        from torchvision.models import WeightsEnum

        fetch = torch.hub.load_state_dict_from_url
        WeightsEnum.get_state_dict = lambda weights, *_a, **_k: self._serve(weights)
        for module in list(sys.modules.values()):
            if getattr(module, "__dict__", {}).get("load_state_dict_from_url") is fetch:
                module.load_state_dict_from_url = self._serve_url  # type: ignore[attr-defined]
        torch.hub.download_url_to_file = lambda url, *_a, **_k: self._refuse(url)
        sys.addaudithook(self._hear)
        self._watch_builders()
        self._weights = {
            str(member.url): member
            for name in torchvision.models.list_models()
            for member in torchvision.models.get_model_weights(name)
        }

    def serve(self, network: str) -> dict[str, torch.Tensor]:
        """The default weights of one of torchvision's networks, by its name."""
        from torchvision.models import get_model_weights

        return self._serve(get_model_weights(network).DEFAULT)

    def _watch_builders(self) -> None:
        """Tell who asks for a backbone's weights from who gets them by torchvision's default."""
        from torchvision.models import list_models, segmentation

        for module in (segmentation, segmentation.fcn, segmentation.deeplabv3):
            for name in vars(module).keys() & list_models(segmentation):
                setattr(module, name, self._watched(getattr(module, name)))

    def _watched(self, build: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(build)
        def watched(*positional: Any, **named: Any) -> Any:
            self._by_default = "weights_backbone" not in named and "pretrained_backbone" not in named
            try:
                return build(*positional, **named)
            finally:
                self._by_default = False

        return watched

    def told(self) -> list[dict[str, Any]]:
        """Each request's `name`, `file` and, where it was served, the digests of its tensors."""
        return self._requests

    def _add(self, name: str, file: str, served: dict[str, torch.Tensor] | None) -> None:
        if len(self._requests) < MOST:
            found = digests(served.items()) if served else {}
            request = {"name": name, "file": os.path.basename(file), "digests": found}  # noqa: PTH119 - a URL
            by_default = self._by_default and name.startswith("ResNet")
            self._requests.append(request | {"by_default": by_default, "of": -1})
            self._trainings.served(self._requests[-1])

    def _serve_url(self, url: str, *_positional: Any, **_named: Any) -> dict[str, torch.Tensor]:
        weights = self._weights.get(url)
        return self._serve(weights) if weights is not None else self._refuse(url)

    def _serve(self, weights: Any) -> dict[str, torch.Tensor]:
        state = _shapes(weights)
        served = {
            name: draw(name, value.shape, self._seed)
            if value.is_floating_point()
            else torch.zeros(value.shape, dtype=value.dtype)
            for name, value in state.items()
        }
        self._add(str(weights), weights.url, served)
        return served

    def _refuse(self, url: str) -> NoReturn:
        self._add(str(url), str(url), None)
        raise URLError("there is no network where this is graded")

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in EVENTS:
            self._add(str(arguments[0]), str(arguments[0]), None)


def _shapes(weights: Any) -> dict[str, torch.Tensor]:
    """The state dict that a file of trained weights holds, without values."""
    from torchvision import models

    name = next(name for name in models.list_models() if models.get_model_weights(name) is type(weights))
    taken = inspect.signature(models.get_model_builder(name)).parameters
    options: dict[str, Any] = {"weights_backbone": None, "aux_loss": True}
    options = {option: value for option, value in options.items() if option in taken}
    if "categories" in weights.meta:
        options["num_classes"] = len(weights.meta["categories"])
    with torch.device("meta"), Unfilled():
        state: dict[str, torch.Tensor] = models.get_model(name, weights=None, **options).state_dict()
    return state


class Unfilled(TorchFunctionMode):
    """Has no tensor filled: the meta device has nothing to fill, and torch would import its compiler to do it."""

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Give back what a function would have changed in place, and call any other."""
        named = kwargs or {}
        name = function.__name__
        if name.endswith("_") and not name.endswith("__"):
            return args[0] if args else named["tensor"]
        return function(*args, **named)
