"""Tells the trainings of one run apart: each begins where an optimizer takes its first step on a network."""

import re
import weakref
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from grader.probes.digests import digests
from grader.worker.names import bare, half

MOST = 256
MOST_TRAININGS = 20
# Digests are for SegFormer (4 million); an FCN has 33 million, and gets them only where its weights were served.
MOST_PARAMETERS = 10_000_000
TYPO = re.compile(r"req\w*grad|freez|frozen", re.IGNORECASE)
MIXED = 2  # data sets that a run has opened
KINDS = {"fcn": ("backbone.", "classifier."), "segformer": ("encoder.", "decoder.")}


class Trainings:
    """Which training each thing belongs to that is seen in a run, and what each of them starts and ends with.

    Args:
        keep: the kind of a training whose last weights are kept.
        epochs: tells how many epochs the training that begins was to have.
    """

    def __init__(self, keep: str | None = None, epochs: Callable[[], int | None] = lambda: None) -> None:
        self._keep = keep
        self._epochs = epochs
        self.kept: dict[str, torch.Tensor] | None = None
        self.told: list[dict[str, Any]] = []
        self.freezes_by_attribute = False
        self.data: str | None = None
        self.opened: set[str] = set()
        self._files: dict[str, dict[str, str]] = {}
        self._all_files: dict[str, dict[str, str]] = {}
        self._served: list[dict[str, Any]] = []
        self._counts: Counter[Any] = Counter()
        self._pending: list[dict[str, Any]] = []
        self._optimizers: list[weakref.ref[torch.optim.Optimizer]] = []
        self._network: nn.Module | None = None
        self._moved = False

    @property
    def number(self) -> int:
        """Of the training that goes on, or of the one to come where there was none yet."""
        return max(0, len(self.told) - 1)

    def mark(self, entry: dict[str, Any], *, early: bool = True) -> None:
        """Write down of which training something is; what is seen `early` may turn out to be the next one's."""
        entry["of"] = self.number
        if early:
            self._pending.append(entry)

    def add(self, entries: list[dict[str, Any]], entry: dict[str, Any], *, early: bool = True) -> None:
        """Add an entry to a list, unless there are many of this training and of its kind, training or validation."""
        counted = (id(entries), self.number, entry.get("training"))
        self._counts[counted] += 1
        if self._counts[counted] <= MOST:
            self.mark(entry, early=early)
            entries.append(entry)

    def loaded(self, path: str, found: dict[str, str]) -> None:
        """A weights file was loaded, with these digests."""
        self._files[path] = self._all_files[path] = found

    def served(self, request: dict[str, Any]) -> None:
        """Trained weights were served; they are those of the training whose network turns out to have them."""
        self._served.append(request)

    def step(self, optimizer: torch.optim.Optimizer, network: nn.Module) -> bool:
        """An optimizer is about to take a step on the network that was called last; whether a training begins."""
        begins = not any(each() is optimizer for each in self._optimizers) and len(self.told) < MOST_TRAININGS
        if begins and self._same_training(optimizer, network):
            self._optimizers.append(weakref.ref(optimizer))
            begins = False
        if begins:
            self.close()
            self._begin(optimizer, network)
        self._pending.clear()
        self._moved = True
        return begins

    def _same_training(self, optimizer: torch.optim.Optimizer, network: nn.Module) -> bool:
        """Whether it is a second optimizer of a network, for the parameters that the first one has not."""
        if self._network is not network:
            return False
        held = {id(value) for each in self._optimizers if (one := each()) is not None for value in _parameters(one)}
        return held.isdisjoint(map(id, _parameters(optimizer)))

    def attempt(self, network: nn.Module | None) -> None:
        """The run broke off: what was seen since the last step is a training that came to no step, if it is one."""
        fed = network is not None and any(entry.get("training") and "means" in entry for entry in self._pending)
        if (fed or self._files) and len(self.told) < MOST_TRAININGS:
            self.close()
            self._begin(None, network if network is not None and fed else nn.Identity())

    def _begin(self, optimizer: torch.optim.Optimizer | None, network: nn.Module) -> None:
        """Write down what a training starts with; without an optimizer it comes to no step."""
        self._network = network
        if optimizer is not None:
            self._optimizers.append(weakref.ref(optimizer))
        named = dict(network.named_parameters())
        small = sum(value.numel() for value in named.values()) <= MOST_PARAMETERS
        start = digests(named.items()) if small or self._served else {}
        encoder = {*half(dict(start), "encoder").values()}
        # A file that was read once may serve several trainings.
        arrived = {path: found for path, found in self._all_files.items() if not encoder.isdisjoint(found.values())}
        told: dict[str, Any] = {
            "network": next((kind for kind, halves in KINDS.items() if _has(bare(dict(named)), halves)), "other"),
            # Read once and kept in memory: then the pictures of the last batch tell.
            "data": self.data if len(self.opened) < MIXED else self._data_of_pictures(),
            "epochs": self._epochs(),
            "trained": {name: value.requires_grad for name, value in named.items()},
            "start": start,
            "final": {},
            "loaded": self._files | arrived if small else {},
            "begun": optimizer is not None,
            "freezing": self.freezes_by_attribute or (small and _freezes(named)),
        }
        self.told.append(told)
        requests = self._requests_in(start)
        files = ["loaded"] if arrived else ["nothing loaded"] * bool(self._files)
        words = [told["network"], told["data"] or "?", *requests, *files, *["frozen"] * told["freezing"]]
        told["kind"] = " ".join(map(str, words))
        for entry in self._pending:
            entry["of"] = self.number
        self._files, self.freezes_by_attribute = {}, False

    def _requests_in(self, start: dict[str, str]) -> list[str]:
        """The names of the trained weights that a network has, which are then known to be this training's."""
        used = [each for each in self._served if not {*each["digests"].values()}.isdisjoint(start.values())]
        for request in used:
            request["of"] = self.number
            self._served.remove(request)
        return sorted({each["name"] + " by default" * each["by_default"] for each in used})

    def _data_of_pictures(self) -> str | None:
        """The data set of the last batch: drawn pets are of one colour, drawn streets are noise."""
        plain = [entry["plain"] for entry in self._pending if "plain" in entry]
        return ("pets" if plain[-1] else "streets") if plain else self.data

    def close(self) -> None:
        """The present training has come to an end, or so it seems: write down its weights, unless it did not go on."""
        if not (self._moved and self.told and self._network is not None):
            return
        self._moved = False
        if self.told[-1]["start"]:
            self.told[-1]["final"] = digests(self._network.named_parameters())
        if self.told[-1]["kind"] == self._keep:
            self.kept = {name: value.detach().clone() for name, value in self._network.state_dict().items()}


def _parameters(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    return [value for group in optimizer.param_groups for value in group["params"]]


def _freezes(named: Mapping[str, torch.Tensor]) -> bool:
    """Whether no parameter of the encoder is trained, or one was to be frozen by a word that it does not know."""
    encoder = half(dict(named), "encoder").values()
    frozen = bool(encoder) and not any(value.requires_grad for value in encoder)
    return frozen or any(TYPO.search(name) for value in named.values() for name in vars(value))


def _has(names: dict[str, Any], halves: tuple[str, ...]) -> bool:
    return all(any(name.startswith(part) for name in names) for part in halves)
