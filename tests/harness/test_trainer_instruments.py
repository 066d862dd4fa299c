"""The instruments that a trainer is judged with: they do the real work, tolerate mistakes, and note what happened."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from grader.probes import trainer as probe
from grader.probes.instruments import SHADES, Descent, EventLog, Loss, Metric, Schedule, TinyNet
from grader.probes.pictures import Plain, image_tensor, mask_tensor, write
from reference.dlvc.dataset.cityscapes import CityscapesCustom
from reference.dlvc.dataset.oxfordpets import OxfordPetsCustom
from reference.dlvc.metrics import SegMetrics

CLASSES = 3
TRAIN, VAL = 10, 7


@pytest.fixture
def log():
    """A log of three training samples."""
    return EventLog(3)


@pytest.fixture
def net(log):
    """A network that knows five samples."""
    torch.manual_seed(0)
    return TinyNet(5, CLASSES, log, as_mapping=False)


def images(*samples):
    """Images (b, 3, 4, 6) of these samples."""
    reds = torch.tensor(samples) * SHADES + SHADES // 2
    return (reds.float() / 255)[:, None, None, None].expand(-1, 3, 4, 6).clone()


def labels(count, seed=0):
    """Label maps (b, 4, 6)."""
    return torch.from_numpy(np.random.default_rng(seed).integers(0, CLASSES, (count, 4, 6)))


def test_gradients_tell_the_samples_they_come_from(net, log):
    """Only the samples of the batches since gradients were zeroed are noted at a step."""
    optimizer = Descent(net, log, lr=0.1, momentum=0.0)
    loss = Loss(log)
    loss(net(images(0, 2)), labels(2)).backward()
    optimizer.step()
    loss(net(images(1)), labels(1)).backward()
    optimizer.step()
    optimizer.zero_grad()
    optimizer.step()
    assert [event["samples"] for event in log.events if event["what"] == "step"] == [[0, 2], [0, 1, 2], []]


def test_modes_are_noted(net, log):
    """Each forward pass notes its samples, the network's mode, and whether its scores need gradients."""
    net(images(1, 0))
    with torch.inference_mode():
        net.eval()(images(4, 3))
    forwards = [(e["samples"], e["training"], e["gradients"]) for e in log.events if e["what"] == "forward"]
    assert forwards == [([1, 0], True, True), ([4, 3], False, False)]
    assert [phase["kind"] for phase in log.phases] == ["train", "val"]


def test_a_copy_of_the_network_notes_on_the_same_log(net, log):
    """What a trainer does with a copy of the model is seen, too."""
    copy.deepcopy(net)(images(0))
    assert [event["samples"] for event in log.events] == [[0]]


def test_optimizer_and_schedule_do_what_torchs_do(net, log):
    """Noting changes neither the steps nor the learning rates, and the constructor's own step is not noted."""
    plain = copy.deepcopy(net)
    ours = Descent(net, log, lr=0.1, momentum=0.5)
    theirs = torch.optim.SGD(plain.parameters(), lr=0.1, momentum=0.5)
    schedules = Schedule(ours, log, 0.5), torch.optim.lr_scheduler.ExponentialLR(theirs, 0.5)
    assert log.events == []
    for epoch in range(3):
        for model, optimizer in ((net, ours), (plain, theirs)):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images(0, 1, 2)), labels(3, epoch)).backward()
            optimizer.step()
        for schedule in schedules:
            schedule.step()
    for mine, other in zip(net.parameters(), plain.parameters(), strict=True):
        assert torch.equal(mine, other)
    assert [event["lr"] for event in log.events if event["what"] == "step"] == [0.1, 0.05, 0.025]
    assert sum(event["what"] == "scheduler" for event in log.events) == 3


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"out": s}], ids=["tensor", "mapping"])
@pytest.mark.parametrize("shape", [(2, 4, 6), (2, 1, 4, 6)], ids=["squeezed", "not squeezed"])
def test_loss_is_cross_entropy_also_of_what_it_should_not_get(log, wrap, shape):
    """A mistake in what the loss gets is noted, and its value is that of the right arguments."""
    torch.manual_seed(0)
    scores, target = torch.randn(2, CLASSES, 4, 6), labels(2)
    target[0, 0, 0] = 255
    value = Loss(log)(wrap(scores), target.reshape(shape))
    assert torch.equal(value, nn.functional.cross_entropy(scores, target, ignore_index=255))
    (event,) = log.events
    assert event["shapes"] == [shape_or_dict(wrap(scores)), list(shape)]
    assert event["labels"] == target.tolist()


def shape_or_dict(value):
    """How a log names what was handed over."""
    return "dict" if isinstance(value, dict) else list(value.shape)


def test_labels_that_are_no_class_are_noted_and_break_nothing(log):
    """Labels of -1 or 3 reach the log as they are; the loss is finite."""
    wrong = labels(1)
    wrong[0, 0, :2] = torch.tensor([-1, CLASSES])
    assert Loss(log)(torch.zeros(1, CLASSES, 4, 6), wrong).isfinite()
    assert log.events[0]["labels"] == wrong.tolist()


def test_metric_agrees_with_the_references(log):
    """The mean IoU over several updates is that of Part 2, and a reset forgets it."""
    torch.manual_seed(0)
    names = ["a", "b", "c"]
    ours, theirs = Metric("train", names, log, None), SegMetrics(names)
    for seed in range(3):
        scores, target = torch.randn(2, CLASSES, 4, 6), labels(2, seed)
        target[0, seed] = 255
        ours.update(scores, target)
        theirs.update(scores, target)
    assert ours.mIoU() == pytest.approx(theirs.mIoU(), abs=1e-6)  # float32 here, float64 there
    ours.reset()
    assert ours.mIoU() == 0


def test_scripted_metric_speaks_by_the_epoch(log):
    """Its value is that of the epoch of training, however often it is asked, reset or updated."""
    metric = Metric("val", ["a"], log, [0.3, 0.7])
    said = []
    for kind in ("train", "val", "train", "val"):
        log.begin(kind)
        metric.reset()
        said += [metric.mIoU(), metric.mIoU()]
    assert said == [0.3, 0.3, 0.3, 0.3, 0.7, 0.7, 0.7, 0.7]


OPTIONS = {"transform": image_tensor, "target_transform": mask_tensor}
READERS = {
    "pets": lambda root: [OxfordPetsCustom(root, split, **OPTIONS) for split in ("trainval", "test")],
    "streets": lambda root: [CityscapesCustom(root, split, **OPTIONS) for split in ("train", "val")],
    "plain": lambda root: [Plain(root, split) for split in ("train", "val")],
}


@pytest.mark.parametrize("reader", READERS)
def test_written_data_are_read_as_they_were_drawn(reader, tmp_path):
    """Masks come back to the bit and the red still tells the sample, through JPEG too, in the order of the samples."""
    rng = np.random.default_rng(0)
    drawn = {split: rng.integers(1, 4, (n, 4, 6)).astype(np.uint8) for split, n in (("train", TRAIN), ("val", VAL))}
    masks = {split: torch.from_numpy(of_split) for split, of_split in drawn.items()}
    write("pets" if reader == "pets" else "streets", tmp_path, masks)
    items = [item for data in READERS[reader](tmp_path) for item in data]
    reds = torch.stack([image[0] for image, _ in items]) * 255
    assert (reds.round().long() // SHADES).flatten(1).unique(dim=1).flatten().tolist() == list(range(TRAIN + VAL))
    assert torch.equal(torch.cat([mask for _, mask in items]), torch.cat([*masks.values()]).long())


class Unreadable(list):
    """Data that were opened and cannot be read."""

    def __getitem__(self, index):
        raise FileNotFoundError(index)


def test_a_broken_class_of_streets_is_not_the_trainers_fault(tmp_path, monkeypatch):
    """Where the submission's class is of no use, the same samples are read without it, unless the check is about it."""
    monkeypatch.setattr(probe, "open_streets", lambda _: [Unreadable(), Unreadable()])
    masks = {"train": labels(2), "val": labels(1, seed=1)}
    data = probe._data("streets", tmp_path, masks, own_class=False)
    read = torch.cat([mask for split in data for _, mask in (split[index] for index in range(len(split)))])
    assert torch.equal(read, torch.cat([*masks.values()]))
    with pytest.raises(FileNotFoundError):
        probe._data("streets", tmp_path, masks, own_class=True)


@pytest.mark.parametrize(
    "saved",
    [
        lambda net: net.state_dict(),
        lambda net: nn.ModuleDict({"net": net}).state_dict(),
        lambda net: {"epoch": 3, "model_state_dict": nn.ModuleDict({"net": net}).state_dict()},
        lambda net: net,
    ],
    ids=["bare", "with a prefix", "within a checkpoint", "the network itself"],
)
def test_weights_are_found_however_they_were_saved(saved, net, tmp_path):
    """A saved state is read by the ends of its keys, whatever is around it."""
    torch.save(saved(net), tmp_path / "best.pth")
    state = probe._state(tmp_path / "best.pth", net)
    assert state.keys() == net.state_dict().keys()
    assert all(torch.equal(value, net.state_dict()[name]) for name, value in state.items())
