"""Running scripts: whatever a script is and does, its run is told as it was, and what is watched works as ever."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace

import numpy as np
import pytest

from grader.checking import CheckFailed, NotScored, Subject
from grader.checking.script_data import (
    BLUE,
    CLASSES,
    IGNORED,
    LABELLED_SHARE,
    PET_ROOT,
    RED,
    SHADES,
    STREET_ROOT,
    pets,
    pictures,
    streets,
)
from grader.checking.script_runs import NEWER, Command, Made, Runs, expect_schedule, make
from grader.records import Status
from grader.sandbox import Limits, Worker, WorkerLost, choose_isolation, work_folder
from grader.worker.names import bare, half
from reference.dlvc.dataset.cityscapes import CityscapesCustom
from reference.dlvc.dataset.oxfordpets import OxfordPetsCustom
from tests.harness.bench import Bench
from tests.submissions.planted import Planted

NET = """
    import argparse, sys
    parser = argparse.ArgumentParser()
    parser.add_argument("--output")
    parser.parse_args()
    import torch
    from torch import nn
    net = nn.Sequential(nn.Conv2d(3, 4, 1))
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.5)
"""
ORIGINAL = Path(__file__).with_name("original_train.py")

Execute = Callable[..., Made]


@pytest.fixture
def execute(place: tuple[Worker, Path]) -> Iterator[Execute]:
    """Run the text of a script in a fresh process."""
    worker, folder = place
    subject = Subject(worker, seed=1)

    def run(text: str, *options: str, **more: object) -> Made:
        path = folder / "train.py"
        path.write_text(dedent(text))
        path.chmod(0o644)
        return make(subject, Command("train.py", options, **more))

    yield run
    subject.close()


WITH_PARSER = """
    import argparse, sys
    parser = argparse.ArgumentParser()
    parser.add_argument("--output")
    args = parser.parse_args()
"""


@pytest.mark.parametrize(
    ("ending", "status", "said"),
    [
        ("", 0, ""),
        ("sys.exit()", 0, ""),
        ("sys.exit(3)", 3, ""),
        ("sys.exit('no data in nowhere')", 1, "no data in nowhere"),
        ("parser.error('what is this?')", 2, "what is this?"),
        ("raise ValueError('oh no')", 1, "ValueError: oh no"),
    ],
)
def test_exit_code_is_pythons(execute, ending, status, said):
    """A script's exit code and last words are those that `python train.py` would have."""
    made = execute(f"{WITH_PARSER}    {ending}\n")
    assert made.run.status == status
    assert said in made.said
    assert (made.run.error is not None) is ending.startswith("raise")


def test_traceback_is_the_scripts(execute):
    """An uncaught exception is told with the script's own line, and without the grader's frames."""
    made = execute(WITH_PARSER + "\n    1 / 0\n")
    assert made.run.error.where == "train.py:7"
    assert "probes" not in made.said
    with pytest.raises(CheckFailed, match=r"ZeroDivisionError in train\.py:7"):
        made.expect_end()


def test_script_is_main_in_a_fresh_folder(execute):
    """The script is `__main__`, reads its files by relative paths, and may write beside itself; classes pickle."""
    made = execute(
        WITH_PARSER
        + """
    import pickle
    from pathlib import Path
    class Kept: pass
    assert __name__ == "__main__" and sys.argv[0] == "train.py"
    assert isinstance(pickle.loads(pickle.dumps(Kept())), Kept)
    Path(__file__).with_name("beside.txt").write_text(Path("in/x.txt").read_text())
    Path(args.output).mkdir()
    Path(args.output, "copy.txt").write_text(Path("beside.txt").read_text())
    """,
        files={"in/x.txt": np.frombuffer(b"hello", np.uint8)},
    )
    made.expect_end()
    assert made.run.files == ["copy.txt"]


@pytest.mark.parametrize(
    ("code", "words"),
    [("import os; os._exit(0)", "exit code 0 before"), ("while True: pass", r"--script-seconds allows more")],
)
def test_lost_script_is_told(place, code, words):
    """A script that ends its process, or never ends, is lost with a reason that names the command."""
    worker, folder = place
    (folder / "train.py").write_text(code)
    worker.limits = Limits(script_seconds=3)
    subject = Subject(worker, seed=1)
    try:
        with pytest.raises(WorkerLost, match=rf"python train\.py .*{words}"):
            make(subject, Command("train.py", ()))
    finally:
        subject.close()
        worker.limits = Limits(script_seconds=20)


def test_training_is_recorded(execute):
    """What a training loop builds and feeds is written down, by whatever way the loss is called."""
    made = execute(
        NET
        + """
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.98)
    assert isinstance(optimizer, torch.optim.Adam) and isinstance(scheduler, torch.optim.lr_scheduler.LRScheduler)
    class Sum(torch.utils.data.DataLoader): pass
    data = [(torch.ones(3, 2, 2) * i, torch.tensor([[0, 255], [1, 1]])) for i in range(4)]
    for loss in (nn.CrossEntropyLoss(ignore_index=255), lambda s, t: nn.functional.cross_entropy(
        input=s.movedim(1, 3).flatten(0, 2), target=t.flatten(), ignore_index=255)):
        for images, masks in Sum(data, batch_size=4):
            optimizer.zero_grad()
            loss(net(images), masks).backward()
            optimizer.step()
        scheduler.step()
    with torch.no_grad():
        net.eval()(images)
    """,
    )
    assert made.run.error is None, made.said
    assert [loader.batch_size for loader in made.run.loaders] == [4, 4]
    assert [(forward.training, forward.shape) for forward in made.run.forwards] == [
        (True, [4, 3, 2, 2]),
        (True, [4, 3, 2, 2]),
        (False, [4, 3, 2, 2]),
    ]
    assert made.run.forwards[0].means[2] == [2, 2, 2]
    for loss in made.run.losses:
        assert (loss.classes, loss.ignored, loss.labels, loss.pixels, loss.counted) == (4, 255, [0, 1, 255], 16, 12)
        assert loss.by_image == [[0, 1, 255]] * 4
    assert (made.optimizer.kind, made.optimizer.rate, made.optimizer.held) == ("AdamW", 0.5, ["0.weight", "0.bias"])
    expect_schedule(made)


def test_run_that_stops_says_so(execute):
    """A run that is asked for its settings ends at the first step, also within a `try`."""
    made = execute(
        NET
        + """
    for number in range(5):
        try:
            net(torch.ones(1, 3, 2, 2)).sum().backward()
            optimizer.step()
        except Exception:
            print("went on")
    """,
        stop=True,
    )
    assert (made.run.stopped, made.run.ended, len(made.run.steps)) == (True, False, 1)
    assert "went on" not in made.said


def test_weights_are_served_and_never_fetched(execute):
    """Trained weights are random ones of the right shapes; each request is written down, in vain or not."""
    made = execute(
        WITH_PARSER
        + """
    import torch, torchvision
    from torchvision.models import ResNet18_Weights
    net = torchvision.models.resnet18(weights="DEFAULT")
    state = torch.hub.load_state_dict_from_url(ResNet18_Weights.DEFAULT.url)
    assert torch.equal(state["conv1.weight"], net.conv1.weight)
    torch.hub.load_state_dict_from_url("https://example.org/unknown-1234.pth")
    """
    )
    assert "URLError" in made.run.error.type
    assert [request.file for request in made.run.requests] == ["resnet18-f37072fd.pth"] * 2 + ["unknown-1234.pth"]
    assert made.run.requests[0].digests == made.run.requests[1].digests != {}


def test_checkpoints_are_read_safely(execute):
    """Equal tensors have equal digests; what is no state dict is told and not unpickled."""
    made = execute(
        WITH_PARSER
        + """
    import os, torch
    from torch import nn
    os.mkdir(args.output)
    torch.save({"a": torch.ones(2), "b": torch.ones(2), "c": torch.zeros(2)}, f"{args.output}/Net_model_last.pth")
    torch.save(nn.Linear(1, 1), f"{args.output}/Net_model_best.pth")
    """
    )
    digests = made.checkpoint("last")[1].digests
    assert digests["a"] == digests["b"] != digests["c"]
    with pytest.raises(CheckFailed, match="cannot be loaded: UnpicklingError"):
        made.checkpoint("best")


@pytest.mark.parametrize("end", ["", "open('/somewhere/else')"])
def test_script_without_arguments_is_of_an_older_handout(execute, end):
    """A script that takes no arguments, whether or not it finds its data, is not judged by ours."""
    with pytest.raises(NotScored, match=NEWER):
        execute(f"    {end}\n    pass\n".replace("\n    \n", "\n"), "--data-root", "x")


@pytest.mark.parametrize(
    "made", ["os.symlink('/etc/shadow', path)", "path.write_text('x'); path.chmod(0)", "path.mkdir()"]
)
def test_a_history_that_cannot_be_read_costs_nothing_else(execute, made):
    """A link to a file of the system, no permissions, or no file at all: the rest of the run is told as it was."""
    made = execute(
        WITH_PARSER
        + f"""
    import os
    from pathlib import Path
    Path(args.output).mkdir()
    Path(args.output, "a.txt").write_text("x")
    path = Path(args.output, "history.csv")
    {made}
    """
    )
    made.expect_end()
    assert "a.txt" in made.run.files
    assert made.run.history in (None, [])


def test_run_is_made_once():
    """A run that ended without a record fails the check that made it, leaves others open, and is not tried again."""
    tried = []

    class Lost(Subject):
        def allow(self, _seconds):
            tried.append(self)
            raise WorkerLost("time", "No answer.")

    runs = Runs()
    for ending in (WorkerLost, NotScored):
        with pytest.raises(ending, match="No answer"):
            runs.get("a", Lost(SimpleNamespace(limits=Limits()), seed=0), lambda: Command("train.py", ()))
    assert len(tried) == 1
    assert runs.known("a") is None


@pytest.mark.parametrize(
    ("names", "encoder"),
    [
        (["encoder.a", "decoder.b"], {"a"}),
        (["net.encoder.a", "net.decoder.b"], {"a"}),
        (["a", "c"], {"a", "c"}),
        (["module.a"], {"a"}),
        (["decoder.b"], set()),
    ],
)
def test_encoder_is_found_in_every_layout(names, encoder):
    """An encoder is found with and without a wrapper's prefix, and in a file of its own."""
    assert half(dict.fromkeys(names), "encoder").keys() == encoder
    assert len(bare(dict.fromkeys(names))) == len(names)


@pytest.fixture
def data(tmp_path):
    """Both tiny data sets on the disk."""
    rng = np.random.default_rng(1)
    for name, content in (pets(rng) | streets(rng)).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.tobytes())
    return tmp_path


def test_tiny_pets_are_as_they_say(data):
    """A pet image has its split's colour, and its mask has labels 1 and 3 or 2 alone, all three in each split."""
    drawn = pets(np.random.default_rng(1))
    for split, colour in (("trainval", RED), ("test", BLUE)):
        pairs = [(np.asarray(image), np.asarray(mask)) for image, mask in OxfordPetsCustom(data / PET_ROOT, split)]
        assert [set(np.unique(mask)) for _, mask in pairs] == [{1, 3}, {2}]
        told = pictures(drawn, split)
        assert [picture.labels for picture in told] == [{0, 2}, {1}]
        for (image, _), picture in zip(pairs, told, strict=True):
            assert np.abs(image.mean(axis=(0, 1)) - picture.colour).max() < 1
            assert np.abs(picture.colour - colour).max() < SHADES[1] + 3  # JPEG, and noise around 0
        assert np.abs(told[0].colour - told[1].colour).min() > SHADES[0]


def test_tiny_streets_are_as_they_say(data):
    """Every street mask has all classes and the share of ignored pixels that is promised."""
    for split in ("train", "val"):
        for _, mask in CityscapesCustom(data / STREET_ROOT, split):
            labels = np.asarray(mask)
            assert set(np.unique(labels)) == {*range(CLASSES), IGNORED}
            assert (labels != IGNORED).mean() == LABELLED_SHARE


def test_script_of_the_original_handout_is_judged_by_its_first_step(tmp_path):
    """A script that knows none of our arguments is judged by what its first step shows; the rest is left open."""
    source = Planted("original").make(tmp_path)
    (source / "train.py").write_bytes(ORIGINAL.read_bytes())
    with ExitStack() as stack:
        tier, _ = choose_isolation(None, own_folder=True)
        bench = Bench(stack.enter_context(work_folder()), stack, tier, Limits(), ("torchvision.transforms.v2",))
        outcomes = bench.grade(source, [f"fcn.{name}" for name in FIRST_STEP | NEEDS_ARGUMENTS]).outcomes
    passed = {name for name, outcome in outcomes.items() if outcome.status is Status.PASSED}
    assert passed == {f"fcn.{name}" for name in FIRST_STEP}
    assert {outcome.status for name, outcome in outcomes.items() if name not in passed} == {Status.UNSCORED}
    assert all(NEWER in outcomes[f"fcn.{name}"].finding.message for name in NEEDS_ARGUMENTS)


FIRST_STEP = {"loss", "classes", "optimizer", "scheduler", "images", "labels"}
NEEDS_ARGUMENTS = {"runs", "scratch", "backbone"}
