"""The reference's mIoU against the contract of Part 2 and against torchmetrics."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchmetrics.classification import MulticlassJaccardIndex

from reference.dlvc.metrics import PerformanceMeasure, SegMetrics


def scores_of(labels: Tensor, classes: int) -> Tensor:
    """Return scores (b, c, h, w) for which the labels (b, h, w) are predicted."""
    return torch.nn.functional.one_hot(labels, classes).movedim(3, 1).double()


def labels_of(*rows: str) -> Tensor:
    """Read a one-image batch of labels, a digit a pixel; `x` is 255."""
    return torch.tensor([[[255 if digit == "x" else int(digit) for digit in row] for row in rows]])


def measured(prediction: Tensor, target: Tensor, classes: int) -> float:
    """Return the mIoU of one batch of predicted and true labels."""
    metric = SegMetrics(classes)
    metric.update(scores_of(prediction, classes), target)
    return metric.mIoU()


@st.composite
def epochs(draw) -> tuple[int, list[tuple[Tensor, Tensor]]]:
    """Draw a number of classes and unequal batches, in which classes may be absent and pixels ignored."""
    classes = draw(st.integers(2, 6))
    batches = []
    for _ in range(draw(st.integers(1, 4))):
        b, h, w = draw(st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)))
        generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
        prediction = torch.randn(b, classes, h, w, generator=generator)
        prediction[:, draw(st.integers(1, classes)) :] -= 100
        target = torch.randint(draw(st.integers(1, classes)), (b, h, w), generator=generator)
        ignored = draw(st.sampled_from([0.0, 0.3, 1.0]))
        target[torch.rand(b, h, w, generator=generator) < ignored] = 255
        batches.append((prediction, target))
    return classes, batches


@settings(max_examples=80, deadline=None)  # a slow machine is no failure
@given(epoch=epochs())
def test_equals_torchmetrics(epoch):
    """Over several batches, the mIoU is the mean of the IoUs that torchmetrics has for each class."""
    classes, batches = epoch
    # Its macro average leaves absent classes out: take the classes one by one, where they count as 0.
    peer = MulticlassJaccardIndex(classes, average="none", ignore_index=255, zero_division=0)
    metric = SegMetrics(classes)
    for prediction, target in batches:
        metric.update(prediction, target)
        peer.update(prediction, target)
    # The peer divides in float32, which is exact to 6e-8.
    assert metric.mIoU() == pytest.approx(peer.compute().mean().item(), abs=1e-6)


def test_worked_example():
    """For confusion matrix [[3, 1, 0], [1, 2, 1], [0, 0, 4]] the mIoU is (3/5 + 2/5 + 4/5) / 3 = 0.6."""
    target = labels_of("000011112222")
    prediction = labels_of("000101122222")
    assert measured(prediction, target, 3) == pytest.approx(0.6, abs=1e-12)  # float64


def test_absent_class_counts_as_zero():
    """A class in neither target nor prediction contributes 0 and still counts in the mean."""
    labels = labels_of("0011")
    assert measured(labels, labels, 4) == pytest.approx(0.5, abs=1e-12)


def test_class_without_a_hit_counts_as_zero():
    """A class that is only predicted, or only true, has IoU 0."""
    assert measured(labels_of("0002"), labels_of("0001"), 3) == pytest.approx(1 / 3, abs=1e-12)


def test_ignored_pixels_count_nowhere():
    """What is predicted for pixels of label 255 changes nothing."""
    target = labels_of("01xx", "x011")
    for guess in "01":
        prediction = labels_of("01" + 2 * guess, guess + "011")
        assert measured(prediction, target, 2) == 1.0


def test_one_mean_over_all_pixels():
    """The mIoU comes from the pixels of all batches together; it is no mean over batches or images."""
    metric = SegMetrics(2)
    metric.update(scores_of(labels_of("0"), 2), labels_of("0"))
    metric.update(scores_of(labels_of("11111111"), 2), labels_of("11110000"))
    # Class 0: 1 hit of 5; class 1: 4 hits of 8. The mean of the two batches would be (1/2 + 1/4) / 2.
    assert metric.mIoU() == pytest.approx((1 / 5 + 4 / 8) / 2, abs=1e-12)


def test_nothing_seen():
    """At first, after a reset, and after ignored or empty batches, the mIoU is the float 0.0."""
    metric = SegMetrics(2)
    assert metric.mIoU() == 0.0
    assert isinstance(metric.mIoU(), float)
    metric.update(scores_of(labels_of("01"), 2), labels_of("xx"))
    metric.update(torch.zeros(0, 2, 3, 4), torch.zeros(0, 3, 4, dtype=torch.int64))
    assert metric.mIoU() == 0.0
    metric.update(scores_of(labels_of("01"), 2), labels_of("01"))
    assert metric.mIoU() == 1.0
    metric.reset()
    assert metric.mIoU() == 0.0


def test_text():
    """The text has the value with two digits, rounded."""
    metric = SegMetrics(["pet", "background", "border"])
    assert str(metric) == "mIoU: 0.00"
    metric.update(scores_of(labels_of("012222"), 3), labels_of("000122"))
    assert str(metric) == f"mIoU: {(1 / 3 + 0 + 2 / 4) / 3:.2f}" == "mIoU: 0.28"


def test_classes_are_a_sequence_or_their_number():
    """Names of classes, or their number, set how many there are; none is an error, and so are 256."""
    for classes in (["a", "b", "c"], ("a", "b", "c"), range(3), "abc", 3):
        metric = SegMetrics(classes)
        metric.update(torch.zeros(1, 3, 2, 2), torch.zeros(1, 2, 2, dtype=torch.int64))
        assert metric.mIoU() == pytest.approx(1 / 3, abs=1e-12)
    for classes in ([], 0, 256):
        with pytest.raises(ValueError, match="expected 1 to 255"):
            SegMetrics(classes)


def test_inputs_are_not_changed():
    """An update leaves scores and labels as they were, ignored pixels included."""
    prediction, target = scores_of(labels_of("0121"), 3).requires_grad_(), labels_of("01x2")
    copies = prediction.detach().clone(), target.clone()
    SegMetrics(3).update(prediction, target)
    assert prediction.equal(copies[0])
    assert target.equal(copies[1])
    assert prediction.grad is None


def test_strides_do_not_matter():
    """Tensors that do not lie in memory in the order of their dimensions give the same mIoU."""
    generator = torch.Generator().manual_seed(0)
    prediction = torch.randn(2, 3, 5, 7, generator=generator)
    target = torch.randint(3, (2, 5, 7), generator=generator)
    plain, strided = SegMetrics(3), SegMetrics(3)
    plain.update(prediction, target)
    strided.update(
        prediction.to(memory_format=torch.channels_last), target.transpose(1, 2).contiguous().transpose(1, 2)
    )
    assert strided.mIoU() == plain.mIoU()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_scores_of_any_float_type(dtype):
    """Scores may be of any floating-point type."""
    metric = SegMetrics(3)
    metric.update(scores_of(labels_of("0122"), 3).to(dtype), labels_of("0121"))
    assert metric.mIoU() == pytest.approx((1 + 1 / 2 + 1 / 2) / 3, abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.uint16, torch.int32, torch.int64])
def test_labels_of_any_integer_type(dtype):
    """Labels may be of any integer type that holds 255."""
    assert measured(labels_of("0121"), labels_of("012x").to(dtype), 3) == 1.0


def test_counts_are_exact():
    """Counts are 64-bit integers: they stay exact over an epoch of Cityscapes."""
    metric = SegMetrics(2)
    metric.update(scores_of(labels_of("01"), 2), labels_of("01"))
    assert metric.confusion.dtype == torch.int64


SCORES, LABELS = torch.zeros(2, 3, 4, 5), torch.zeros(2, 4, 5, dtype=torch.int64)


@pytest.mark.parametrize(
    ("prediction", "target", "message"),
    [
        (SCORES.numpy(), LABELS, "prediction: expected a torch.Tensor, found ndarray"),
        (SCORES, LABELS.tolist(), "target: expected a torch.Tensor, found list"),
        (None, None, "prediction: expected a torch.Tensor, found NoneType"),
    ],
)
def test_refuses_what_is_no_tensor(prediction, target, message):
    """An input that is not a tensor is a TypeError that says which and what it is."""
    with pytest.raises(TypeError, match=message):
        SegMetrics(3).update(prediction, target)


@pytest.mark.parametrize(
    ("prediction", "target", "message"),
    [
        (SCORES[0], LABELS, r"prediction: expected shape \(b, 3, h, w\), found \(3, 4, 5\)"),
        (SCORES[None], LABELS, r"prediction: expected shape .* found \(1, 2, 3, 4, 5\)"),
        (torch.tensor(1.0), torch.tensor(1), r"prediction: expected shape .* found \(\)"),
        (SCORES[:, :2], LABELS, r"prediction: expected shape \(b, 3, h, w\), found \(2, 2, 4, 5\)"),
        (SCORES, LABELS[0], r"target: expected shape \(2, 4, 5\), found \(4, 5\)"),
        (SCORES, LABELS[:, None], r"target: expected shape \(2, 4, 5\), found \(2, 1, 4, 5\)"),
        (SCORES, LABELS[:1], r"found \(1, 4, 5\)"),
        (SCORES, LABELS[:, :3], r"found \(2, 3, 5\)"),
        (SCORES, LABELS[:, :, :1], r"found \(2, 4, 1\)"),
        (SCORES, LABELS.transpose(1, 2), r"found \(2, 5, 4\)"),
        (SCORES, LABELS.float(), "target: expected integer labels, found torch.float32"),
        (SCORES, LABELS.bool(), "target: expected integer labels, found torch.bool"),
        (SCORES, LABELS + 3, r"target: expected labels 0..2 or 255, found \[3\]"),
        (SCORES, LABELS - 1, r"found \[-1\]"),
        (SCORES, torch.arange(40).reshape(2, 4, 5) % 5 + 252, r"found \[252, 253, 254, 256\]"),
    ],
)
def test_refuses_inputs_that_do_not_fit(prediction, target, message):
    """A wrong rank, size, type or label is a ValueError that says so, and the batch counts for nothing."""
    metric = SegMetrics(3)
    metric.update(SCORES, LABELS)
    with pytest.raises(ValueError, match=message):
        metric.update(prediction, target)
    assert metric.mIoU() == pytest.approx(1 / 3, abs=1e-12)


def test_performance_measure_is_abstract():
    """A measure needs reset, update and a text of its own."""
    assert issubclass(SegMetrics, PerformanceMeasure)
    assert PerformanceMeasure.__abstractmethods__ == {"reset", "update", "__str__"}
    with pytest.raises(TypeError, match="abstract"):
        PerformanceMeasure()
