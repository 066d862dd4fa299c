"""The published curves: their data, what the reader refuses, and how they are drawn."""

import dataclasses
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from grader.experiments.curves import METRICS, load_published, read_runs
from grader.experiments.figures import (
    FIGURES,
    PUBLISHED_MIOU_LIMITS,
    Look,
    curve_figure,
    draw_published,
    fingerprint,
    published_figure,
)
from grader.records import Run, Series

RUNS = ("fcn_scratch", "fcn_pretrained_backbone", "segformer_scratch", "segformer_finetuned")
ROOT = Path(__file__).parents[2]
HEADER = "run,metric,step,value"
VALID = [HEADER, *(f"mine,{metric},0,0.5" for metric in METRICS)]


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("metric", METRICS)
def test_published_steps(name, metric):
    """Training was measured in each of the epochs 0 to 30, validation in every second one."""
    series = getattr(load_published()[name], metric)
    assert series.steps == tuple(range(0, 31, 1 if metric.startswith("train") else 2))
    assert len(series.values) == len(series.steps)


def test_published_values():
    """There are exactly the four runs; losses are positive and below 2, mIoUs lie between 0.2 and 0.9."""
    runs = load_published()
    assert set(runs) == set(RUNS)
    for run in runs.values():
        assert all(0 < value < 2 for series in (run.train_loss, run.val_loss) for value in series.values)
        assert all(0.2 < value < 0.9 for series in (run.train_miou, run.val_miou) for value in series.values)


@pytest.mark.parametrize("name", RUNS)
def test_published_runs_learn(name):
    """Every published run lowers its training loss and raises its training mIoU."""
    run = load_published()[name]
    assert run.train_loss.values[-1] < run.train_loss.values[0]
    assert run.train_miou.values[-1] > run.train_miou.values[0]


def test_reads_what_was_written():
    """A small table becomes one run with its four series."""
    half = Series((0,), (0.5,))
    assert read_runs(VALID, "table.csv") == {"mine": Run("mine", half, half, half, half)}


def test_steps_may_have_gaps():
    """Steps need not be consecutive, as validation does not run in every epoch."""
    lines = [*VALID, "mine,val_miou,7,0.6"]
    assert read_runs(lines, "table.csv")["mine"].val_miou == Series((0, 7), (0.5, 0.6))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("mine,train_loss,1", "expected 4 fields, found 3"),
        ("mine,train_loss,1,0.5,extra", "expected 4 fields, found 5"),
        ("", "expected 4 fields, found 0"),
        (",train_loss,1,0.5", "the run has no name"),
        ("mine,accuracy,1,0.5", "found 'accuracy'"),
        ("mine,train_loss,one,0.5", "expected a step of 0 or more, found 'one'"),
        ("mine,train_loss,-1,0.5", "expected a step of 0 or more, found '-1'"),
        ("mine,train_loss,1.5,0.5", "expected a step of 0 or more, found '1.5'"),
        ("mine,train_loss,1,half", "expected a number, found 'half'"),
        ("mine,train_loss,1,nan", r"finite and in 0\.\.inf, found 'nan'"),
        ("mine,train_loss,1,inf", r"finite and in 0\.\.inf, found 'inf'"),
        ("mine,train_loss,1,-0.1", r"finite and in 0\.\.inf, found '-0.1'"),
        ("mine,val_miou,1,1.01", r"finite and in 0\.\.1, found '1.01'"),
        ("mine,train_loss,0,0.5", "expected a step after 0, as steps increase, found 0"),
    ],
)
def test_malformed_row_is_refused(row, message):
    """A malformed row raises a ValueError that names the file, the line and what was found."""
    with pytest.raises(ValueError, match=rf"^table\.csv, line 6: .*{message}"):
        read_runs([*VALID, row], "table.csv")


@pytest.mark.parametrize("lines", [[], ["run,metric,value,step"], VALID[1:]])
def test_wrong_header_is_refused(lines):
    """A file without the expected header raises a ValueError, whatever follows."""
    with pytest.raises(ValueError, match=r"table\.csv, line 1: expected the header run,metric,step,value"):
        read_runs(lines, "table.csv")


def test_incomplete_run_is_refused():
    """A run that lacks metrics raises a ValueError that names the run and the metrics."""
    with pytest.raises(ValueError, match=r"table\.csv: run 'mine' has no val_loss, val_miou"):
        read_runs(VALID[:3], "table.csv")


def test_loading_names_the_file(tmp_path):
    """What is wrong in a file is reported under the file's name."""
    file = tmp_path / "broken.csv"
    file.write_text("nothing\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"^broken\.csv, line 1"):
        load_published(file)


@pytest.mark.parametrize("name", FIGURES)
def test_figure_contains_the_data(name):
    """A published figure draws all four series of each of its runs with their exact values and colour."""
    runs, plan = load_published(), FIGURES[name]
    loss_axes, miou_axes = published_figure(name).axes
    drawn = {line.get_gid(): (axes, line) for axes in (loss_axes, miou_axes) for line in axes.lines}
    assert set(drawn) == {f"{run}:{metric}" for run in plan.looks for metric in METRICS}
    for run, look in plan.looks.items():
        for metric in METRICS:
            axes, line = drawn[f"{run}:{metric}"]
            series = getattr(runs[run], metric)
            assert axes is (loss_axes if metric.endswith("loss") else miou_axes)
            assert tuple(line.get_xdata()) == series.steps
            assert tuple(line.get_ydata()) == series.values
            assert line.get_color() == look.color


@pytest.mark.parametrize("name", FIGURES)
def test_figure_shows_every_point(name):
    """No point of a published figure lies outside its axes."""
    for axes in published_figure(name).axes:
        lowest, highest = axes.get_ylim()
        assert all(lowest <= value <= highest for line in axes.lines for value in line.get_ydata())


@pytest.mark.parametrize("name", FIGURES)
def test_figure_tells_what_it_shows(name):
    """Training is dashed, validation solid and marked; axes have units; the legend names runs and styles."""
    figure = published_figure(name)
    for axes in figure.axes:
        assert axes.get_xlabel() == "epoch"
        for line in axes.lines:
            validation = ":val_" in line.get_gid()
            assert (line.get_linestyle() == "-") is validation
            assert (line.get_marker() == "o") is validation
    assert [axes.get_ylabel() for axes in figure.axes] == ["cross-entropy loss", "mean IoU (0 to 1)"]
    labels = [look.label for look in FIGURES[name].looks.values()]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [*labels, "training", "validation"]


def test_miou_axes_are_comparable():
    """All published figures have the same mIoU axis, so that they can be compared."""
    assert {published_figure(name).axes[1].get_ylim() for name in FIGURES} == {PUBLISHED_MIOU_LIMITS}


def test_nothing_is_cut_off():
    """Labels, titles and the legend of a published figure lie within the picture and do not overlap."""
    for name in FIGURES:
        figure = published_figure(name)
        figure.canvas.draw()
        width, height = figure.canvas.get_width_height()
        boxes = [figure.legends[0].get_window_extent(), *(axes.get_tightbbox() for axes in figure.axes)]
        for box in boxes:
            assert (box.x0, box.y0) >= (0, 0)
            assert box.x1 <= width
            assert box.y1 <= height
        assert all(not one.overlaps(other) for one, other in pairwise(boxes))


def test_any_run_can_join_a_figure():
    """A run of one's own can be drawn beside published ones, in a look of its own."""
    half = Series((0, 1), (0.5, 0.5))
    runs = load_published() | {"mine": Run("mine", half, half, half, half)}
    figure = curve_figure(
        runs, {"fcn_scratch": Look("published", "#0072B2", alpha=0.4), "mine": Look("mine", "#000000")}
    )
    alphas = {line.get_gid(): line.get_alpha() for line in figure.axes[0].lines}
    assert alphas["fcn_scratch:val_loss"] == 0.4
    assert alphas["mine:val_loss"] == 1.0


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Return the files of all published figures, drawn into a folder that did not exist."""
    return draw_published(tmp_path_factory.mktemp("curves") / "new" / "folder")


def test_draws_small_valid_files(drawn):
    """Every published figure is written as a valid PNG, wide enough to read and below 80 KB."""
    assert [file.stem for file in drawn] == list(FIGURES)
    for file in drawn:
        assert file.stat().st_size < 80_000
        with Image.open(file) as image:
            image.load()
            assert image.format == "PNG"
            assert image.width >= 900


def test_drawing_is_repeatable(drawn, tmp_path):
    """Drawing again gives the same bytes."""
    assert [file.read_bytes() for file in draw_published(tmp_path)] == [file.read_bytes() for file in drawn]


def test_handout_pictures_are_up_to_date(drawn):
    """The pictures in img/ were drawn from the data and the plan as they are now."""
    for file in drawn:
        with Image.open(file) as fresh, Image.open(ROOT / "img" / file.name) as kept:
            assert fresh.size == kept.size
            assert fresh.text == kept.text, f"img/{file.name} is out of date: see grader/data/README.md"


def test_pictures_tell_other_data_apart():
    """A picture's fingerprint changes with a single value and with the plan."""
    runs, plan = load_published(), FIGURES["curves_segformer"]
    run = runs["segformer_scratch"]
    moved = Series(run.val_loss.steps, (0.1, *run.val_loss.values[1:]))
    others = [
        fingerprint(runs | {run.name: dataclasses.replace(run, val_loss=moved)}, plan),
        fingerprint(runs, plan._replace(loss_limits=(0.0, 3.0))),
    ]
    assert len({fingerprint(runs, plan), *others}) == 3


def test_loading_stays_cheap():
    """Reading the curves imports neither matplotlib nor numpy nor torch."""
    script = (
        "import sys; from grader.experiments.curves import load_published; load_published();"
        "print(sorted({'matplotlib', 'numpy', 'torch'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert result.stdout.strip() == "[]"
