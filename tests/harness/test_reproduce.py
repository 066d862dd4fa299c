"""`python -m grader reproduce`: what is run, what is kept, and what is said of it.

Where training is not the point, `fake_training.py` stands in for the solution's scripts.
"""

import io
import json
import re
import signal
import subprocess
import time
from itertools import pairwise

import psutil
import pytest
from PIL import Image
from rich.console import Console

from grader.errors import UsageError
from grader.experiments.curves import read_runs
from grader.lookalikes import Counts, making
from grader.reproduction import sources
from grader.reproduction.comparing import Verdict
from grader.reproduction.drawing import PICTURES
from grader.reproduction.running import alone_in, digest_of_code
from grader.reproduction.sources import open_source
from grader.reproduction.summary import Summary
from tests.harness.command import ROOT, environment, grader
from tests.harness.reproducing import BY_NAME, EXPERIMENTS, NAMES, Bench
from tests.harness.tiny_data import write_pets, write_streets

TUNED = ["finetune_all", "finetune_frozen", "finetune_all_half_lr"]


@pytest.fixture
def bench(tmp_path):
    """A bench of the test's own."""
    return Bench(tmp_path)


def call(bench: Bench, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `reproduce` with the fake scripts as a process."""
    command = bench.command(*arguments)
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment(), check=False)


def test_every_experiment_runs_after_what_it_starts_from(bench):
    """All experiments run once, in the file's order, and fine-tuning is given the last model of pre-training."""
    bench.run()
    calls = bench.calls()
    assert [call["name"] for call in calls] == NAMES
    weights = bench.output.resolve() / "seed-0" / "city_pretraining" / "SegFormer_model_last.pth"
    for call in calls:
        found = dict(pairwise(call["arguments"])).get("--pretrained")
        assert found == (str(weights) if call["name"] in TUNED else None)


def test_what_one_experiment_starts_from_is_run_too(bench):
    """An experiment that is named alone runs after pre-training, and nothing else runs."""
    bench.run("finetune_frozen")
    assert bench.names() == ["city_pretraining", "finetune_frozen"]


def test_what_has_finished_is_not_run_again(bench):
    """A second run trains nothing and says the same, but that results were kept."""
    first = bench.run()
    bench.calls()
    log = Console(record=True, width=80, file=io.StringIO())
    assert bench.run(log=log) == first
    assert bench.names() == []
    assert log.export_text().count("finished before") == len(NAMES)


def longer(name: str):
    """All experiments, one of them with one epoch more."""
    smoke = BY_NAME[name].smoke
    more = BY_NAME[name].model_copy(update={"smoke": smoke.model_copy(update={"epochs": smoke.epochs + 1})})
    return tuple(more if each.name == name else each for each in EXPERIMENTS)


@pytest.mark.parametrize(
    ("change", "again"),
    [
        pytest.param(lambda _: {"experiments": longer("fcn_scratch")}, ["fcn_scratch"], id="settings"),
        pytest.param(lambda _: {"scale": "full"}, NAMES, id="scale"),
        pytest.param(lambda _: {"device": "cpu"}, NAMES, id="device"),
        pytest.param(lambda b: (b.scripts / "more.py").touch() or {}, NAMES, id="solution"),
        pytest.param(
            lambda b: (b.output / "seed-0/fcn_scratch/history.csv").unlink() or {}, ["fcn_scratch"], id="lost"
        ),
        pytest.param(
            lambda b: (b.output / "seed-0/city_pretraining/SegFormer_model_last.pth").write_text("new") and {},
            TUNED,
            id="weights that others start from",
        ),
    ],
)
def test_what_does_not_fit_any_more_is_trained_anew(bench, change, again):
    """After a change, exactly those experiments run again that it concerns."""
    bench.run()
    bench.calls()
    bench.run(**change(bench))
    assert bench.names() == again


def start_and_wait_for(bench: Bench, hanging: str) -> subprocess.Popen[str]:
    """Start all experiments in a process, one of which hangs, and return once it has begun."""
    bench.behave(**{hanging: "hang"})
    process = subprocess.Popen(bench.command(), cwd=ROOT, env=environment(), stderr=subprocess.PIPE, text=True)
    begun, give_up = bench.output / "seed-0" / hanging / "left_by_the_interrupted", time.monotonic() + 120
    while not begun.exists():
        assert time.monotonic() < give_up
        assert process.poll() is None
        time.sleep(0.05)
    return process


def assert_rest_is_run(bench: Bench, hanging: str) -> None:
    """Hold the next run to train what had not finished, from the start, and nothing else."""
    bench.calls()
    bench.behave()
    summary = bench.run()
    assert bench.names() == NAMES[NAMES.index(hanging) :]
    assert not (bench.output / "seed-0" / hanging / "left_by_the_interrupted").exists()
    assert all(row.final is not None for row in summary.rows)


def test_a_killed_run_is_resumed(bench):
    """After SIGKILL no training lives on, and the next run goes on with the experiment that was interrupted."""
    process = start_and_wait_for(bench, "finetune_all")
    trainings = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate(timeout=60)
    assert trainings
    _, alive = psutil.wait_procs(trainings, timeout=20)
    assert not alive
    assert_rest_is_run(bench, "finetune_all")


def test_ctrl_c_keeps_what_has_finished(bench):
    """An interrupted run ends with code 130, says how it goes on, ends its training, and is resumed."""
    process = start_and_wait_for(bench, "finetune_all")
    trainings = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Finished experiments are kept" in said
    assert trainings
    assert not any(training.is_running() for training in trainings)
    assert_rest_is_run(bench, "finetune_all")


def test_two_runs_do_not_share_a_folder(bench):
    """A second run in the same folder is refused while the first is at work."""
    with alone_in(bench.output), pytest.raises(UsageError, match="Another run is at work"):
        bench.run()
    assert bench.names() == []


def test_a_failure_costs_only_what_depends_on_it(bench):
    """Where pre-training fails, fine-tuning is skipped with that reason, the rest is run, and the exit code is 3."""
    bench.behave(city_pretraining="fail")
    result = call(bench)
    assert result.returncode == 3
    assert bench.names() == [name for name in NAMES if name not in TUNED]
    summary = Summary.model_validate_json((bench.output / "summary.json").read_text())
    rows = {row.name: row for row in summary.rows}
    assert rows["city_pretraining"].verdict is Verdict.FAILED
    assert rows["city_pretraining"].reasons == ("exit code 1: RuntimeError: the machine is on fire",)
    for name in TUNED:
        assert rows[name].verdict is Verdict.SKIPPED
        assert rows[name].reasons == ("city_pretraining, which it starts from, has not finished",)
    assert "Traceback" in (bench.output / "seed-0" / "city_pretraining" / "log.txt").read_text()
    assert "the machine is on fire" in result.stdout


def test_an_order_that_does_not_come_out_is_told(bench):
    """Where fine-tuning ends below training from scratch, the summary says so, and the exit code is 1."""
    bench.behave(finetune_all="poor")
    result = call(bench, "--only", "segformer_scratch", "--only", "finetune_all")
    assert result.returncode == 1
    assert re.search(r"finetune_all above segformer_scratch at 0 of \d+ epochs: not as published", result.stdout)


def test_a_loss_that_is_no_number_is_a_failure(bench):
    """A diverged training is no result, and where it diverged is told."""
    bench.behave(fcn_scratch="nan")
    (row,) = bench.run("fcn_scratch").rows
    assert row.verdict is Verdict.FAILED
    assert "train_loss that is finite" in row.reasons[0]


def test_weights_that_cannot_be_fetched_are_no_failure(bench):
    """Without a network, the backbone is skipped with a reason, the rest is run, and the exit code is 0."""
    bench.behave(fcn_backbone="offline")
    result = call(bench)
    assert result.returncode == 0, result.stderr
    assert bench.names() == NAMES
    assert "fcn_backbone skipped: not to be had here: torchvision's ResNet-50" in result.stdout


def test_missing_streets_cost_only_what_needs_them(bench):
    """With pets alone, the experiments on pets are run; those that need streets are skipped."""
    (bench.data / "cityscapes").rmdir()
    summary = bench.run()
    assert bench.names() == NAMES[:3]
    assert [row.name for row in summary.rows if row.verdict is Verdict.SKIPPED] == NAMES[3:]


def test_nothing_starts_from_what_was_left_out(bench):
    """Where pre-training is skipped now, weights that an earlier run left are not taken for its result."""
    bench.run("finetune_all")
    (bench.data / "cityscapes").rmdir()
    bench.calls()
    summary = bench.run("finetune_all")
    assert bench.names() == []
    assert [row.verdict for row in summary.rows] == [Verdict.SKIPPED, Verdict.SKIPPED]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--only", "finetune_al"], ["Did you mean 'finetune_all'?", *NAMES]),
        (["--data-root", "nowhere"], ["'nowhere' holds neither oxford-iiit-pet/ nor cityscapes/"]),
        (["--scale", "small"], ["smoke", "full"]),
        (["--seeds", "0"], ["--seeds"]),
    ],
)
def test_wrong_usage_is_told(tmp_path, arguments, says):
    """What cannot be done ends with code 4 and says what can."""
    result = grader("reproduce", "--output", tmp_path, *arguments)
    assert result.returncode == 4
    said = " ".join(result.stderr.split())
    assert [words for words in says if words not in said] == []


def test_the_solution_is_trained_and_compared(tmp_path):
    """The solution's own script runs to its end on a data set, and everything that is promised is written."""
    data, output = write_streets(write_pets(tmp_path / "data") / "cityscapes").parent, tmp_path / "out"
    arguments = ("--only", "segformer_scratch", "--data-root", data, "--output", output, "--device", "cpu")
    result = grader("reproduce", *arguments)
    assert result.returncode == 0, result.stdout + result.stderr
    epochs = BY_NAME["segformer_scratch"].smoke.epochs
    assert f"segformer_scratch: epoch {epochs} of {epochs}, val mIoU " in result.stderr
    folder = output / "seed-0" / "segformer_scratch"
    kept = {"SegFormer_model_best.pth", "SegFormer_model_last.pth", "finished.json", "history.csv", "log.txt"}
    assert {path.name for path in folder.iterdir()} == kept
    run = read_runs((output / "curves.csv").read_text().splitlines(), "curves.csv")["segformer_scratch"]
    assert run.train_loss.steps == tuple(range(epochs))
    final = Summary.model_validate_json((output / "summary.json").read_text()).rows[0].final
    assert final.ours.mean == run.val_miou.values[-1]


def test_the_solutions_script_says_that_weights_cannot_be_fetched(bench, monkeypatch, tmp_path):
    """What the solution prints without a network is understood as that."""
    write_pets(tmp_path / "pets")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "no_weights"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # the discard port: nobody listens
    bench.data, bench.scripts = tmp_path / "pets", ROOT / "reference"
    (row,) = bench.run("fcn_backbone").rows
    assert row.verdict is Verdict.SKIPPED
    assert row.reasons[0].startswith("not to be had here")


def test_a_run_leaves_its_files(bench):
    """Curves, table and pictures of all experiments are written; the page needs no other file."""
    bench.run()
    runs = read_runs((bench.output / "curves.csv").read_text().splitlines(), "curves.csv")
    assert list(runs) == NAMES
    for name in PICTURES:
        with Image.open(bench.output / f"{name}.png") as image:
            image.load()
            assert image.format == "PNG"
        assert f"({name}.png)" in (bench.output / "summary.md").read_text()
    page = (bench.output / "summary.html").read_text()
    assert page.count("data:image/png;base64,") == len(PICTURES)
    assert not re.search(r'(src|href)="(?!data:)', page)
    for name in NAMES:
        assert name in page


def test_every_experiment_has_a_picture():
    """Each experiment of the file is drawn in at least one picture."""
    assert {name for picture in PICTURES.values() for name in picture.experiments} == set(NAMES)


def test_the_terminal_is_readable(bench):
    """At 80 columns no line is longer, but for paths; every experiment has a line as it ends and a row in the table."""
    result = call(bench)
    assert result.returncode == 0, result.stderr
    shown = result.stdout.replace(str(bench.output), "")
    assert max(map(len, shown.splitlines())) <= 80
    for name in NAMES:
        assert re.search(rf"{name}: epoch (\d+) of \1, val mIoU 0\.\d+, \d+ s", " ".join(result.stderr.split()))
        assert re.search(rf"^ *{name} +final", result.stdout, re.MULTILINE)
    assert "not comparable" in result.stdout
    assert re.search(r"finetune_all above segformer_scratch at (\d+) of \1 epochs: as published", result.stdout)


def test_several_seeds_are_trained_and_averaged(bench):
    """With seeds 3 and 4, each is trained in its own folder, and the table shows mean and standard deviation."""
    console = Console(record=True, width=80, file=io.StringIO())
    summary = bench.run("finetune_all", "segformer_scratch", seeds=(3, 4), console=console)
    assert [(call["name"], call["seed"]) for call in bench.calls()] == [
        (name, seed) for seed in (3, 4) for name in ("segformer_scratch", "city_pretraining", "finetune_all")
    ]
    row = next(row for row in summary.rows if row.name == "segformer_scratch")
    finals = [0.4 + 0.01 * (BY_NAME["segformer_scratch"].smoke.epochs - 1) + 0.001 * seed for seed in (3, 4)]
    assert row.final.ours.mean == pytest.approx(sum(finals) / 2, rel=1e-9)  # binary rounding
    assert row.final.ours.spread == pytest.approx(0.001 / 2**0.5, rel=1e-6)  # binary rounding of a difference
    shown = console.export_text()
    assert "± 0.001" in shown
    assert re.search(r"^ *segformer_scratch +final .* not comparable *$", shown, re.MULTILINE)
    runs = read_runs((bench.output / "curves.csv").read_text().splitlines(), "curves.csv")
    assert {"segformer_scratch:3", "segformer_scratch:4"} < set(runs)


def test_lookalikes_are_made_once_in_the_users_cache(monkeypatch, tmp_path):
    """Without data, look-alikes are drawn into the cache folder; a second run finds them."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    tiny = {"smoke": Counts(2, 1, 2, 1)}
    monkeypatch.setattr(sources, "SCALES", tiny)
    monkeypatch.setattr(making, "SCALES", tiny)
    drawn = []
    first = open_source(None, "smoke", lambda done, total: drawn.append((done, total)))
    assert drawn[-1] == (6, 6)
    assert first.lookalikes
    assert first.root.is_relative_to(tmp_path)
    again = []
    assert open_source(None, "smoke", lambda done, total: again.append((done, total))) == first
    assert again == []
    assert open_source(first.root, "full", lambda _done, _total: None) == first


def test_half_a_set_of_lookalikes_is_refused(bench):
    """Look-alikes that were broken off are refused with the command that finishes them."""
    state = {"version": 1, "scale": "smoke", "seed": 3, "counts": [1], "finished": False}
    (bench.data / making.MARKER).write_text(json.dumps(state))
    with pytest.raises(UsageError, match=r"grader data --root .* --scale smoke --seed 3"):
        bench.run()


def test_lookalikes_never_count_as_the_real_data(bench):
    """At full scale, results on look-alikes are not comparable; on other data they are held to the published ones."""
    verdicts = {row.verdict for row in bench.run("fcn_scratch", scale="full").rows}
    assert verdicts <= {Verdict.AS_PUBLISHED, Verdict.DIFFERS}
    state = {"version": 1, "scale": "full", "seed": 0, "counts": [1], "finished": True}
    (bench.data / making.MARKER).write_text(json.dumps(state))
    summary = bench.run("fcn_scratch", scale="full")
    assert {row.verdict for row in summary.rows} == {Verdict.NOT_COMPARABLE}
    assert "look-alikes" in summary.notes[0]


def test_the_digest_of_the_code_sees_names_and_content(tmp_path):
    """Changing, renaming or moving a line of code changes the digest; other files do not."""
    digests = []
    for name, text in (("a.py", "x"), ("a.py", "y"), ("b.py", "y"), ("b.py", "y")):
        folder = tmp_path / str(len(digests))
        folder.mkdir()
        (folder / name).write_text(text)
        (folder / "notes.txt").write_text(str(len(digests)))
        digests.append(digest_of_code(folder))
    assert digests[2] == digests[3]
    assert len(set(digests)) == 3


def test_results_that_cannot_be_written_are_told(bench):
    """Where nothing more can be written, the command ends with one sentence and exit code 3."""
    command = ["bash", "-c", 'ulimit -f 0; exec "$@"', "-", *bench.command("--only", "fcn_scratch")]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment(), check=False)
    assert result.returncode == 3
    assert "cannot be kept" in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr
