"""The reference's trainer (Part 3) and the classification trainer that students get as a model for it."""

import csv
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.utils.data import Subset, TensorDataset

from reference.dlvc.cli import open_data
from reference.dlvc.metrics import SegMetrics
from reference.dlvc.models.segment_model import DeepSegmenter
from reference.dlvc.trainer import EpochRecord, ImgSemSegTrainer, first_label
from reference.dlvc.trainer_reference_impl import Accuracy, ImgClassificationTrainer
from tests.harness.tiny_data import write_pets, write_streets

CLASSES = 3


class Pixelwise(nn.Module):
    """Scores from each pixel alone; notes how it was called."""

    def __init__(self, output=lambda scores: scores):
        super().__init__()
        self.conv = nn.Conv2d(3, CLASSES, 1)
        self.output = output
        self.calls = []

    def forward(self, x):
        """Return scores (b, 3, h, w), as `output` wraps them."""
        self.calls.append(SimpleNamespace(n=len(x), training=self.training, grad=torch.is_grad_enabled()))
        return self.output(self.conv(x))


class SpyLoss(nn.CrossEntropyLoss):
    """Cross-entropy that keeps the labels it was given."""

    def __init__(self):
        super().__init__(ignore_index=255)
        self.labels = []

    def forward(self, scores, labels):
        """Return the mean over pixels whose label is not 255."""
        self.labels.append(labels.clone())
        return super().forward(scores, labels)


def samples(count, *, seed=0, mask_shape=(4, 5)):
    """Return random images (3, 4, 5) and masks."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(count, 3, 4, 5, generator=generator)
    return TensorDataset(images, torch.randint(0, CLASSES, (count, *mask_shape), generator=generator))


def trainer_for(folder, *, model=None, train=None, val=None, epochs=1, lr=0.1, kind=ImgSemSegTrainer, **options):
    """Return a trainer with plain SGD, whose learning rate halves each epoch."""
    torch.manual_seed(0)
    model = model or Pixelwise()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    return kind(
        model,
        optimizer,
        options.pop("loss_fn", nn.CrossEntropyLoss()),
        torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5),
        SegMetrics(range(CLASSES)),
        SegMetrics(range(CLASSES)),
        train if train is not None else samples(5),
        val if val is not None else samples(3, seed=1),
        torch.device("cpu"),
        epochs,
        folder,
        **options,
    )


@pytest.mark.parametrize("task", ["_train_epoch", "_val_epoch"])
def test_loss_is_the_mean_over_samples(tmp_path, task):
    """The loss of an epoch is the mean over samples, although its last batch is smaller than the others."""
    data = samples(5)
    trainer = trainer_for(tmp_path, train=data, val=data, lr=0.0, batch_size=4)
    with torch.no_grad():
        losses = [nn.functional.cross_entropy(trainer.model(x[None]), y[None]).item() for x, y in data]
    loss, _ = getattr(trainer, task)(0)
    assert loss == pytest.approx(sum(losses) / 5, rel=1e-5)  # float32, summed in another order


@pytest.mark.parametrize("task", ["_train_epoch", "_val_epoch"])
def test_miou_is_that_of_all_samples(tmp_path, task):
    """The mIoU of an epoch is the one of all samples together, and each epoch begins anew."""
    data = samples(5)
    trainer = trainer_for(tmp_path, train=data, val=data, lr=0.0, batch_size=2)
    metric = SegMetrics(range(CLASSES))
    with torch.no_grad():
        metric.update(trainer.model(data.tensors[0]), data.tensors[1])
    measure = trainer.train_metric if task == "_train_epoch" else trainer.val_metric
    measure.update(-torch.ones(1, CLASSES, 4, 5), torch.zeros(1, 4, 5, dtype=torch.long))
    assert getattr(trainer, task)(0)[1] == metric.mIoU()


def test_last_batch_is_used(tmp_path):
    """All training samples are seen in an epoch, those of the partial batch too."""
    trainer = trainer_for(tmp_path, batch_size=4)
    trainer._train_epoch(0)
    assert sorted(call.n for call in trainer.model.calls) == [1, 4]


def test_modes_of_training_and_validation(tmp_path):
    """Each epoch trains in training mode with gradients and validates in evaluation mode without."""
    trainer = trainer_for(tmp_path, epochs=2, batch_size=8, val_frequency=1)
    trainer.train()
    modes = [(call.training, call.grad) for call in trainer.model.calls]
    assert modes == [(True, True), (False, False)] * 2


def test_validation_changes_nothing(tmp_path):
    """Validation leaves the parameters and their gradients as they are."""
    trainer = trainer_for(tmp_path)
    before = [parameter.clone() for parameter in trainer.model.parameters()]
    trainer._val_epoch(0)
    assert all(map(torch.equal, before, trainer.model.parameters()))
    assert all(parameter.grad is None for parameter in trainer.model.parameters())


def test_steps_use_fresh_gradients(tmp_path):
    """Each step of the optimizer takes the gradients of its own batch: two epochs are two plain SGD steps."""
    data = samples(4)
    trainer = trainer_for(tmp_path, train=data, epochs=2, batch_size=4)
    weight, bias = (parameter.detach().clone() for parameter in trainer.model.parameters())
    for lr in (0.1, 0.05):
        weight.requires_grad_()
        bias.requires_grad_()
        loss = nn.functional.cross_entropy(nn.functional.conv2d(data.tensors[0], weight, bias), data.tensors[1])
        slopes = torch.autograd.grad(loss, (weight, bias))
        weight, bias = ((old - lr * slope).detach() for old, slope in zip((weight, bias), slopes, strict=True))
    trainer.train()
    torch.testing.assert_close(trainer.model.conv.weight.detach(), weight)  # shuffling changes rounding only
    torch.testing.assert_close(trainer.model.conv.bias.detach(), bias)


def test_scheduler_steps_once_an_epoch(tmp_path):
    """The learning rate is that of one scheduler step an epoch, however many batches there are."""
    trainer = trainer_for(tmp_path, epochs=3, batch_size=1)
    trainer.train()
    assert trainer.optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * 0.5**3)


@pytest.mark.parametrize(
    ("epochs", "frequency", "expected"),
    [(5, 2, [0, 2, 4]), (4, 2, [0, 2, 3]), (1, 5, [0]), (6, 5, [0, 5]), (7, 5, [0, 5, 6]), (3, 1, [0, 1, 2])],
)
def test_validation_epochs(tmp_path, epochs, frequency, expected):
    """Validation runs in epochs 0, k, 2k... and in the last one, once."""
    trainer = trainer_for(tmp_path, epochs=epochs, val_frequency=frequency)
    trainer.train()
    assert [record.epoch for record in trainer.history if record.val_loss is not None] == expected
    assert len([call for call in trainer.model.calls if not call.training]) == len(expected)


class ScriptedTrainer(ImgSemSegTrainer):
    """Validation gives one of the mIoUs 0.0, 0.2, 0.1, 0.2, 0.3 an epoch."""

    def _val_epoch(self, epoch_idx):
        return 1.0, (0.0, 0.2, 0.1, 0.2, 0.3)[epoch_idx]


def test_best_model_is_saved_when_miou_improves(tmp_path):
    """`best` is saved at the first validation and whenever mIoU is above all before, `last` at the end."""
    saves = []
    model = Pixelwise()
    model.save = lambda folder, suffix: saves.append((folder, suffix, len(trainer.history)))
    trainer = trainer_for(tmp_path, kind=ScriptedTrainer, model=model, epochs=5, val_frequency=1)
    trainer.train()
    assert saves == [(tmp_path, suffix, n) for suffix, n in (("best", 0), ("best", 1), ("best", 4), ("last", 5))]


def test_saved_model_can_be_loaded(tmp_path):
    """A DeepSegmenter is saved as `<Net>_model_<suffix>.pth`, the bare network's final state dict."""
    trainer = trainer_for(tmp_path / "new" / "folder", model=DeepSegmenter(Pixelwise()), epochs=2)
    trainer.train()
    assert {path.name for path in (tmp_path / "new" / "folder").iterdir()} == {
        "Pixelwise_model_best.pth",
        "Pixelwise_model_last.pth",
        "history.csv",
    }
    state = torch.load(tmp_path / "new" / "folder" / "Pixelwise_model_last.pth", weights_only=True)
    assert_same_state(state, trainer.model.net.state_dict())


def test_other_models_are_saved_too(tmp_path):
    """A model without a `save` of its own is saved under its class name."""
    trainer_for(tmp_path).train()
    assert (tmp_path / "Pixelwise_model_best.pth").exists()
    assert (tmp_path / "Pixelwise_model_last.pth").exists()


def test_mapping_outputs_are_unwrapped(tmp_path):
    """Scores that come as `out` of a mapping, as torchvision's models give them, train just the same."""
    plain = trainer_for(tmp_path / "a", epochs=2)
    wrapped = trainer_for(tmp_path / "b", epochs=2, model=Pixelwise(lambda scores: {"out": scores}))
    wrapped.model.load_state_dict(plain.model.state_dict())
    for trainer in (plain, wrapped):
        torch.manual_seed(0)
        trainer.train()
    assert wrapped.history == plain.history


def test_labels_are_squeezed(tmp_path):
    """Masks (b, 1, h, w) reach the loss as (b, h, w), also in a batch of one."""
    loss = SpyLoss()
    data = samples(5, mask_shape=(1, 4, 5))
    trainer_for(tmp_path, train=data, val=data, loss_fn=loss, batch_size=4).train()
    assert [tuple(labels.shape) for labels in loss.labels] == [(4, 4, 5), (1, 4, 5)] * 2


@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    """A root of three pets to train on and two to test on."""
    return write_pets(tmp_path_factory.mktemp("pets"))


@pytest.fixture(scope="module")
def streets(tmp_path_factory):
    """A root of three street scenes to train on and two to validate on."""
    return write_streets(tmp_path_factory.mktemp("streets"))


@pytest.mark.parametrize("wrap", [lambda data: data, lambda data: Subset(Subset(data, [0, 1]), [1])])
def test_pet_labels_are_shifted(pets, tmp_path, wrap):
    """The labels 1, 2, 3 of the pets, or of a subset of them, reach the loss as 0, 1, 2."""
    loss = SpyLoss()
    train, val = (wrap(data) for data in open_data("oxford", pets, 16))
    trainer_for(tmp_path, train=train, val=val, loss_fn=loss).train()
    assert [labels.unique().tolist() for labels in loss.labels] == [[0, 1, 2]] * 2


def test_other_labels_stay(streets, tmp_path):
    """The labels of Cityscapes and of other data reach the loss as they are, 255 included."""
    loss = SpyLoss()
    streets_train, _ = open_data("city", streets, 16)
    data = Subset([(image, mask.where(mask == 255, mask % CLASSES)) for image, mask in streets_train], range(3))
    trainer_for(tmp_path, train=data, val=data, loss_fn=loss).train()
    assert loss.labels[0].unique().tolist() == [0, 1, 2, 255]
    assert first_label(streets_train) == 0


def test_history_is_written(tmp_path):
    """`history.csv` holds the records of `history`, digit for digit, and blanks without validation."""
    trainer = trainer_for(tmp_path, epochs=4, val_frequency=2)
    trainer.train()
    with (tmp_path / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "train_loss", "train_miou", "val_loss", "val_miou"]
    read = [
        EpochRecord(int(row.pop("epoch")), *(float(value) if value else None for value in row.values())) for row in rows
    ]
    assert read == trainer.history
    assert [record.epoch for record in read] == [0, 1, 2, 3]
    assert read[1].val_miou is None


def test_history_survives_a_crash(tmp_path):
    """The epochs before a crash are in `history.csv`."""
    trainer = trainer_for(tmp_path, kind=ScriptedTrainer, epochs=9, val_frequency=1)
    with pytest.raises(IndexError):
        trainer.train()
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 1 + 5


def test_no_epochs(tmp_path):
    """With 0 epochs the model is saved as it came, as `last` only, and the history has only its header."""
    trainer = trainer_for(tmp_path, model=DeepSegmenter(Pixelwise()), epochs=0)
    before = {key: value.clone() for key, value in trainer.model.net.state_dict().items()}
    trainer.train()
    assert {path.name for path in tmp_path.iterdir()} == {"Pixelwise_model_last.pth", "history.csv"}
    assert_same_state(torch.load(tmp_path / "Pixelwise_model_last.pth", weights_only=True), before)
    assert (tmp_path / "history.csv").read_text() == "epoch,train_loss,train_miou,val_loss,val_miou\n"


@pytest.mark.parametrize("wrong", [{"epochs": -1}, {"val_frequency": 0}])
def test_impossible_numbers_are_told(tmp_path, wrong):
    """Less than no epochs, or a validation every 0 epochs, is refused at once."""
    with pytest.raises(ValueError, match="found"):
        trainer_for(tmp_path, **wrong)


def test_dispose_lets_go_of_the_loaders(tmp_path):
    """After `dispose`, which may be called twice, no data loader is held."""
    trainer = trainer_for(tmp_path)
    trainer.train()
    trainer.dispose()
    trainer.dispose()
    assert trainer.train_loader is None
    assert trainer.val_loader is None


class LinearClassifier(nn.Linear):
    """A linear classifier that notes how it was saved."""

    def __init__(self):
        super().__init__(2, 2)
        self.saves = []

    def save(self, _folder, suffix):
        """Note the suffix, write nothing."""
        self.saves.append(suffix)


def test_classification_trainer_learns(tmp_path):
    """The trainer that is given to students is complete: it learns to classify and saves best and last."""
    torch.manual_seed(0)
    points = torch.randn(40, 2)
    data = TensorDataset(points, (points[:, 0] > 0).long())
    model = LinearClassifier()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.98)
    loss_fn = nn.CrossEntropyLoss()
    metrics = Accuracy(), Accuracy()
    trainer = ImgClassificationTrainer(
        model, optimizer, loss_fn, scheduler, *metrics, data, data, torch.device("cpu"), 8, tmp_path
    )
    trainer.train()
    trainer.dispose()
    assert trainer.val_metric.accuracy() >= 0.95  # separable by its first coordinate
    assert str(trainer.val_metric).startswith("accuracy: ")
    assert model.saves[0] == "best"
    assert model.saves[-1] == "last"
    assert scheduler.last_epoch == 8


def assert_same_state(found, expected):
    """Hold two state dicts to be equal in keys, order and bits."""
    assert list(found) == list(expected)
    assert [key for key in found if not torch.equal(found[key], expected[key])] == []
