"""Parts 4 and 6 are earned on the data that a run was given: tensors that a script invents are told from them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grader.records import Status
from tests.harness.bench import RUBRIC, Bench, open_bench

OPENED = '    train_data, val_data = open_data("oxford", args.data_root, args.image_size)\n'
# What can be said of pets without looking at a file: two colours, and masks with the labels that there are.
INVENTED = """
    real, _ = open_data("oxford", args.data_root, args.image_size)
    class Pets(type(real)):
        def __init__(self, red): self.red = red
        def __len__(self): return 2
        def __getitem__(self, number):
            colour = ((205, 60, 50) if self.red else (45, 80, 190))
            mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
            pixels = [(c / 255 - m) / s for c, m, s in zip(colour, mean, std)]
            image = torch.tensor(pixels).view(3, 1, 1).expand(3, args.image_size, args.image_size).clone()
            mask = torch.full((1, args.image_size, args.image_size), 2, dtype=torch.long)
            if number == 0: mask[:, ::2], mask[:, 1::2] = 1, 3
            return image, mask
    train_data, val_data = Pets(True), Pets(False)
"""
# Read, but not as they belong together.
MIXED_UP = (
    OPENED
    + """
    class Swapped(type(val_data)):
        def __getitem__(self, number): return super().__getitem__(number)[0], super().__getitem__(1 - number)[1]
    val_data.__class__ = Swapped
"""
)
# As asked for, and then one step in place of three.
ONE_STEP = OPENED + "    args.epochs = min(args.epochs, 1)\n"
FIRST_ALONE = OPENED + "    val_data._images, val_data._segs = val_data._images[:1] * 2, val_data._segs[:1] * 2\n"


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """Both workers, started once."""
    with open_bench() as opened:
        yield opened


@pytest.mark.parametrize(
    ("code", "failed"),
    [
        pytest.param(OPENED, set(), id="as they are", marks=pytest.mark.nightly),
        pytest.param(INVENTED, {"images", "splits"}, id="invented"),
        pytest.param(ONE_STEP, {"runs"}, id="trained once"),
        pytest.param(MIXED_UP, {"labels"}, id="with the masks of others"),
        pytest.param(FIRST_ALONE, {"splits"}, id="one of them twice", marks=pytest.mark.nightly),
    ],
)
def test_what_reaches_network_and_loss_is_what_was_drawn(
    bench: Bench, code: str, failed: set[str], write: Callable[..., Path]
) -> None:
    """Each picture of a split, scaled as asked for, with its own mask."""
    source = write(None, ("train.py", OPENED, code))
    outcomes = bench.grade(source, [check.id for check in RUBRIC.checks if check.part == "fcn"]).outcomes
    found = {name.partition(".")[2] for name, outcome in outcomes.items() if outcome.status is Status.FAILED}
    assert found == failed
