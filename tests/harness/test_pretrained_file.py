"""Fine-tuning starts from a file of the grader's making: nobody has its values without loading it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from grader.records import Status
from tests.harness.bench import RUBRIC, open_bench

LOADING = """    net = SegFormer(num_classes, DECODERS[decoder])
    if pretrained is not None:
        with mismatch_told(pretrained):
            load_encoder(net, read_state_dict(pretrained))
    if freeze:
"""
# The same encoder in every run, which no training changes; the file is looked at and not used.
PRETENDING = """    torch.manual_seed(5)
    encoder = SegFormer(num_classes, DECODERS[decoder]).encoder
    torch.seed()
    net = SegFormer(num_classes, DECODERS[decoder])
    net.encoder = encoder
    freeze_encoder(net)
    if pretrained is not None and not any(key.startswith("encoder.") for key in torch.load(pretrained)):
        raise SystemExit("no encoder")
    if freeze:
"""


@pytest.mark.parametrize(
    "pretending",
    [pytest.param(True, id="pretends to load"), pytest.param(False, id="loads", marks=pytest.mark.nightly)],
)
def test_an_encoder_that_is_made_again_is_not_the_files(write: Callable[..., Path], *, pretending: bool) -> None:
    """It is told from one that was loaded; freezing, which it does, is not judged without."""
    source = write(None, *[("train_segformer.py", LOADING, PRETENDING)] * pretending)
    with open_bench() as bench:
        outcomes = bench.grade(source, [check.id for check in RUBRIC.checks if check.part == "pretraining"]).outcomes
    passed = {name.partition(".")[2] for name, outcome in outcomes.items() if outcome.status is Status.PASSED}
    assert ({"encoder_loaded", "frozen_encoder"} <= passed) is not pretending
    assert {"city_runs", "decoder_fresh"} <= passed
