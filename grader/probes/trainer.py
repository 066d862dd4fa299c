"""Part 3: `dlvc/trainer.py`. A whole training is run with instruments, and what they noted is the answer."""

import re
import runpy
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import nn

from grader.probes.importing import import_part
from grader.probes.instruments import Descent, EventLog, Loss, Metric, Schedule, TinyNet, maps_in, scores_in
from grader.probes.pictures import Plain, open_pets, open_streets, write
from grader.probes.weights import perturb
from grader.worker.answers import WrongAnswer, innermost, is_open_task, kind, number, root_of_submission

PETS, STREETS = 3, 19  # classes
LEARNING_RATE = 0.1
OUT = re.compile(r"""\[\s*["']out["']\s*\]""")
GIVEN_TRAINER = re.compile(
    r"^[ \t]*from[ \t]+[\w.]*trainer_reference_impl[ \t]+import\b.*\bImgSemSegTrainer\b", re.MULTILINE
)


def run(  # noqa: PLR0913, PLR0917 - the trainer itself takes as many, and each stands for one of its rules
    masks: dict[str, torch.Tensor],
    weights: int,
    epochs: int,
    batch_size: int,
    val_frequency: int,
    data: str = "streets",
    gamma: float = 0.5,
    momentum: float = 0.0,
    scripts: dict[str, list[float]] | None = None,
    *,
    as_mapping: bool = False,
    own_class: bool = False,
    dispose: bool = False,
) -> dict[str, Any]:
    """Make a trainer, train, and tell what happened.

    A trainer that takes `output["out"]` without asking is one for torchvision's networks: it gets one of their kind.

    Args:
        masks: labels (n, h, w) of the samples, `train` and `val`.
        weights: seed of the network's weights.
        epochs: as the trainer takes it, and so the next two.
        batch_size: images a batch.
        val_frequency: epochs from one validation to the next.
        data: `pets` or `streets`: the format and class of the data.
        gamma: of the exponential schedule.
        momentum: of the optimizer.
        scripts: what the metrics `train` and `val` say, epoch by epoch; their real value without.
        as_mapping: the network gives its scores under `out`.
        own_class: the data have to come from the submission's own class, because the check is about the two together.
        dispose: call `dispose()` at the end.

    Returns:
        `events` and `phases` (see `EventLog`), the `final` state of the network, `files` in the folder of the models,
        and the states in them that are called `best` and `last`, None where there is none.
    """
    options = (weights, epochs, batch_size, val_frequency, data, gamma, momentum, scripts or {})
    train = partial(_train, masks, *options, own_class=own_class, dispose=dispose)
    try:
        return train(as_mapping=as_mapping)
    except (TypeError, IndexError) as error:
        if as_mapping or not _takes_out(error):
            raise
        return train(as_mapping=True)


def _takes_out(error: Exception) -> bool:
    """Whether the submission ran into an error where it takes the scores out of a dictionary."""
    place = innermost(error.__traceback__)
    line = traceback.extract_tb(place)[0].line if place is not None else None
    return line is not None and OUT.search(line) is not None


def _train(  # noqa: PLR0913, PLR0917 - as `run`
    masks: dict[str, torch.Tensor],
    weights: int,
    epochs: int,
    batch_size: int,
    val_frequency: int,
    data: str,
    gamma: float,
    momentum: float,
    scripts: dict[str, list[float]],
    *,
    as_mapping: bool,
    own_class: bool,
    dispose: bool,
) -> dict[str, Any]:
    classes = PETS if data == "pets" else STREETS
    count = {split: len(of_split) for split, of_split in masks.items()}
    log = EventLog(count["train"])
    net = TinyNet(sum(count.values()), classes, log, as_mapping=as_mapping)
    perturb(net, weights)
    folder = Path(tempfile.mkdtemp())
    models = folder / "models"
    models.mkdir()
    train_data, val_data = _data(data, folder / "data", masks, own_class=own_class)
    trainer = _trainer_class()(
        model=_segmenter(net),
        train_data=train_data,
        val_data=val_data,
        device=torch.device("cpu"),
        num_epochs=epochs,
        training_save_dir=models,
        batch_size=batch_size,
        val_frequency=val_frequency,
        **_optimization(net, log, momentum, gamma),
        **_metrics(classes, log, scripts),
    )
    _listen(trainer, log)
    trainer.train()
    if dispose:
        trainer.dispose()
    return {"events": log.events, "phases": log.phases, "final": net.state_dict()} | _saved(models, net)


def _trainer_class() -> Any:
    """The class that the scripts train with: of `trainer.py`, or of the given implementation, which they may use."""
    scripts = sorted(root_of_submission().glob("*.py"))
    text = "".join(path.read_text(encoding="utf-8", errors="replace") for path in scripts)
    given = GIVEN_TRAINER.search(text) is not None
    return import_part("dlvc.trainer_reference_impl" if given else "dlvc.trainer").ImgSemSegTrainer


def _optimization(net: TinyNet, log: EventLog, momentum: float, gamma: float) -> dict[str, Any]:
    optimizer = Descent(net, log, lr=LEARNING_RATE, momentum=momentum)
    return {"optimizer": optimizer, "loss_fn": Loss(log), "lr_scheduler": Schedule(optimizer, log, gamma)}


def _metrics(classes: int, log: EventLog, scripts: dict[str, list[float]]) -> dict[str, Metric]:
    names = [f"class {number}" for number in range(classes)]
    return {f"{which}_metric": Metric(which, names, log, scripts.get(which)) for which in ("train", "val")}


def _data(data: str, root: Path, masks: dict[str, torch.Tensor], *, own_class: bool) -> list[Any]:
    """Training and validation data; where the submission's class of streets is of no use, one of ours reads them."""
    write(data, root, masks)
    if data == "pets":
        return open_pets(root)
    try:
        splits = open_streets(root)
        for split in splits:
            split[0]
    except Exception:  # whatever is wrong with it is not the trainer's
        if own_class:
            raise
        return [Plain(root, "train"), Plain(root, "val")]
    else:
        return splits


class _Segmenter(nn.Module):
    """What `DeepSegmenter` is in the starter, for a submission that has none."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: torch.Tensor) -> Any:
        return self.net(images)


def _segmenter(net: TinyNet) -> Any:
    """The network in the submission's `DeepSegmenter`, which may unwrap outputs; saving is judged in Part 5."""
    try:
        model = import_module("dlvc.models.segment_model").DeepSegmenter(net)
    except Exception:  # noqa: BLE001 - whatever is wrong with it is not the trainer's
        model = _Segmenter(net)
    model.save = partial(_save, net)
    return model


def _save(net: nn.Module, save_dir: Path | str, suffix: str | None = None) -> None:
    Path(save_dir).mkdir(parents=True, exist_ok=True)
    name = f"{type(net).__name__}_model" + (f"_{suffix}" if suffix else "")
    torch.save(net.state_dict(), Path(save_dir, f"{name}.pth"))


def _listen(trainer: Any, log: EventLog) -> None:
    """Have the calls of `_train_epoch` and `_val_epoch`, and what they return, noted."""
    for name, phase in (("_train_epoch", "train"), ("_val_epoch", "val")):
        setattr(trainer, name, partial(_heard, getattr(trainer, name), phase, log))


def _heard(method: Callable[..., Any], phase: str, log: EventLog, *positional: Any, **named: Any) -> Any:
    log.begin(phase)
    log.inside = phase
    try:
        value = method(*positional, **named)
    finally:
        log.inside = None
    log.phases[-1] |= {"returned": _numbers(value), "kind_returned": kind(value)}
    return value


def _numbers(value: Any) -> list[float] | None:
    """A pair of numbers as floats, None for anything else."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        return None
    try:
        return [number(one, "an epoch") for one in value]
    except WrongAnswer:
        return None


def _saved(folder: Path, net: nn.Module) -> dict[str, Any]:
    """The files that a training left, and the newest state that is called `best` and `last`."""
    files = sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_mtime_ns)
    answer: dict[str, Any] = {"files": sorted(path.relative_to(folder).as_posix() for path in files)}
    for word in ("best", "last"):
        named = [path for path in files if word in path.name.lower()]
        answer[word] = _state(named[-1], net) if named else None
    return answer


def _state(path: Path, net: nn.Module) -> dict[str, torch.Tensor]:
    """The network's tensors out of a file, by the end of their keys: a wrapper puts a prefix before them.

    A file may hold whatever `torch.save` can write. It is read here because the code that wrote it runs here too.
    """
    loaded = torch.load(path, weights_only=False)
    tensors = dict(_tensors(loaded.state_dict() if isinstance(loaded, nn.Module) else loaded))
    state = {}
    for name in net.state_dict():
        found = [value for key, value in tensors.items() if f".{key}".endswith(f".{name}")]
        if not found:
            raise WrongAnswer(f"{path.name} does not hold the network's weights: there is no {name}")
        state[name] = found[0]
    return state


def _tensors(value: Any, key: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(value, torch.Tensor):
        yield key, value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _tensors(item, f"{key}.{name}" if key else str(name))


def script_labels(masks: dict[str, torch.Tensor], size: int) -> dict[str, Any]:
    """Run `train.py` on pets for an epoch as its user would, with a tiny network in place of torchvision's.

    Args:
        masks: labels (n, size, size) of the samples, `train` and `val`.
        size: height and width.

    Returns:
        `labels`: those that reached the cross-entropy, once a batch; `problem`: how the script ended, None if well.
    """
    folder = Path(tempfile.mkdtemp())
    write("pets", folder / "data", masks)
    options = {"data-root": folder / "data", "output": folder, "device": "cpu", "image-size": size}
    options |= {"epochs": 1, "batch-size": 4, "num-workers": 0}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    problem, seen = None, list[Any]()
    with mock.patch.object(sys, "argv", ["train.py", *words]), _small_world(seen):
        try:
            runpy.run_path(str(root_of_submission() / "train.py"), run_name="__main__")
        except (Exception, SystemExit) as error:
            if is_open_task(error):
                raise
            problem = f"{type(error).__name__}: {error}"[:300]
    return {"labels": seen, "problem": problem}


@contextmanager
def _small_world(seen: list[Any]) -> Iterator[None]:
    """Give out a tiny network for torchvision's FCN, and keep the labels that reach the cross-entropy."""
    segmentation = import_module("torchvision.models.segmentation")
    functional: Any = nn.functional
    real = functional.cross_entropy

    def listening(scores: Any, labels: torch.Tensor, *more: Any, **options: Any) -> Any:
        maps = maps_in(labels)
        seen.extend(sorted(set(maps.flatten().tolist())))
        return real(scores_in(scores), maps.clamp(0, PETS - 1), *more, **options)

    def network(*_: Any, **__: Any) -> nn.Module:
        return TinyNet(1, PETS, EventLog(0), as_mapping=True)

    with (
        mock.patch.object(functional, "cross_entropy", listening),
        mock.patch.object(segmentation, "fcn_resnet50", network),
        mock.patch.object(segmentation.fcn, "fcn_resnet50", network),
    ):
        yield
