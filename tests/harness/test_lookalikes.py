"""The look-alikes of the data sets: their files, their labels, and how they come onto the disk."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image
from torchvision.datasets import OxfordIIITPet

from grader.errors import GraderFault, UsageError
from grader.lookalikes import SCALES, Counts, make_lookalikes
from grader.lookalikes import making as making_module
from grader.lookalikes.canvas import Canvas
from grader.lookalikes.figures import BREEDS
from grader.lookalikes.making import tasks
from grader.lookalikes.pets import draw_pet
from grader.lookalikes.streets import PERSON, ROAD, SKY, TRAIN, draw_street
from grader.lookalikes.textures import COATS, GROUNDS
from reference.dlvc.dataset.cityscapes import CityscapesCustom
from reference.dlvc.dataset.oxfordpets import OxfordPetsCustom
from tests.harness.command import ROOT, environment, grader

FEW = Counts(trainval=12, test=6, train=8, val=4)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A root with a few look-alikes, drawn by this process alone."""
    root = tmp_path_factory.mktemp("made")
    make_lookalikes(root, "smoke", seed=5, counts=FEW, workers=1)
    return root


def contents(root):
    """Return all files below a folder, but for the marker and the lock."""
    own = {".lookalikes.json", ".lookalikes.lock"}
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file() and p.name not in own}


@pytest.mark.parametrize(("split", "count"), [("trainval", FEW.trainval), ("test", FEW.test)])
def test_torchvision_reads_the_pets(made, split, count):
    """Images, trimaps, breeds and species are read by torchvision's own data set, without a download."""
    data = OxfordIIITPet(made, split, target_types=("segmentation", "category", "binary-category"))
    assert len(data) == count
    for image, (trimap, breed, species) in data:
        trimap.load()  # which closes its file
        assert (image.mode, trimap.mode, image.size) == ("RGB", "L", trimap.size)
        assert species == (0 if data.classes[breed][0].isupper() and BREEDS[breed].is_cat else 1)
        assert data.classes[breed] == BREEDS[breed].name.title()


@pytest.mark.parametrize(("split", "count"), [("trainval", FEW.trainval), ("test", FEW.test)])
def test_the_reference_reads_the_pets(made, split, count):
    """The reference's data set reads the pets; masks hold pet, background and border, nothing else."""
    data = OxfordPetsCustom(made, split)
    assert len(data) == count
    assert {frozenset(np.unique(mask).tolist()) for _, mask in data} == {frozenset({1, 2, 3})}


@pytest.mark.parametrize(("split", "count"), [("train", FEW.train), ("val", FEW.val)])
def test_the_reference_reads_the_streets(made, split, count):
    """The reference's data set reads the streets, RGB images with a mask of train ids each."""
    data = CityscapesCustom(made / "cityscapes", split)
    assert len(data) == count
    for image, mask in data:
        assert (image.mode, mask.mode, image.size, mask.size) == ("RGB", "L", (128, 64), (128, 64))
        assert set(np.unique(mask).tolist()) <= {*range(19), 255}


def test_the_splits_share_no_image(made):
    """No image of one split is found in another."""
    pictures = [content for name, content in contents(made).items() if "images" in name or "leftImg8bit" in name]
    assert len(pictures) == len(set(pictures)) == sum(FEW)


def test_full_scale_has_as_many_images_as_the_real_sets():
    """The full scale counts as the real data do; each image of either scale has files of its own."""
    assert SCALES["full"] == (3680, 3669, 2975, 500)
    for counts in SCALES.values():
        names = [name for task in tasks(counts) for name in (task.image, task.mask)]
        assert len(names) == len(set(names)) == 2 * sum(counts)


def test_pets_differ_in_size():
    """Pets come in several sizes, upright and lying, all larger than the 64 pixels that are trained on."""
    shapes = {draw_pet(np.random.default_rng(n), BREEDS[0]).labels.shape for n in range(12)}
    assert len(shapes) > 6
    assert min(map(min, shapes)) > 64
    assert any(h > w for h, w in shapes)
    assert any(w > h for h, w in shapes)


def test_a_border_lies_between_pet_and_background():
    """No pixel of a pet touches the background; the border is a ring of a few pixels on either side."""
    for number in range(12):
        labels = draw_pet(np.random.default_rng(number), BREEDS[number % len(BREEDS)]).labels
        for one, other in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])):
            assert not np.any((one * other) == 2)  # 1 x 2 only where pet and background are neighbours
        assert 0.03 < np.mean(labels == 3) < 0.35


def test_pets_fill_a_fair_part_of_their_images():
    """Over many images, pets fill about a fifth of the pixels: they are neither dots nor all there is."""
    shares = [np.mean(draw_pet(np.random.default_rng(n), BREEDS[n % len(BREEDS)]).labels == 1) for n in range(40)]
    assert 0.12 < np.mean(shares) < 0.35
    assert np.std(shares) > 0.04


@pytest.fixture(scope="module")
def scenes():
    """The labels of 150 streets, (150, 64, 128)."""
    return np.stack([draw_street(np.random.default_rng([1, number])).labels for number in range(150)])


def test_every_class_occurs_in_the_streets(scenes):
    """All 19 classes occur, and so does what is to be ignored."""
    assert set(np.unique(scenes).tolist()) == {*range(19), 255}


def test_the_classes_are_imbalanced_as_in_streets(scenes):
    """Road is in every scene, and more than ten times as frequent as bicycles, signs or fences; trains are seldom."""
    share = {label: np.mean(scenes == label) for label in range(19)}
    assert np.all(np.any(scenes == ROAD, axis=(1, 2)))
    assert share[ROAD] > 10 * max(share[4], share[7], share[18])
    assert np.mean(np.any(scenes == TRAIN, axis=(1, 2))) < 0.25
    assert np.mean(scenes == 255) < 0.1


def test_streets_have_their_layout(scenes):
    """The sky is above and the road below; most people stand in the lower half."""
    height = scenes.shape[1]
    rows = np.indices(scenes.shape)[1]
    assert rows[scenes == SKY].mean() < 0.35 * height
    assert rows[scenes == ROAD].mean() > 0.65 * height
    feet = [np.flatnonzero(np.any(s == PERSON, axis=1)).max() for s in scenes if np.any(s == PERSON)]
    assert np.median(feet) > height / 2


def test_colour_does_not_give_the_pet_away():
    """Pet and background have the same colours on average: what tells them apart is pattern and shape."""
    inside, outside = [], []
    for number in range(80):
        image, labels = draw_pet(np.random.default_rng(number), BREEDS[number % len(BREEDS)])
        inside.append(image[labels == 1].mean(axis=0))
        outside.append(image[labels == 2].mean(axis=0))
    difference = np.mean(inside, axis=0) - np.mean(outside, axis=0)
    spread = np.std(inside, axis=0)
    assert np.all(np.abs(difference) < 0.75 * spread)  # pets are a little darker, as their rims are


@pytest.mark.parametrize("pattern", [*COATS, *GROUNDS], ids=lambda pattern: pattern.__name__)
@pytest.mark.parametrize("shape", [(1, 1), (2, 90), (64, 5), (120, 90)])
def test_patterns_fill_any_shape(pattern, shape):
    """A pattern has the asked-for shape, however narrow, finite values about 0, and is not flat where there is room."""
    values = pattern(np.random.default_rng(2), shape, 8.0)
    assert values.shape == shape
    assert np.all(np.isfinite(values))
    assert np.abs(values).max() < 6
    if min(shape) > 60:
        assert values.std() > 0.1


def test_painting_keeps_image_and_labels_together():
    """Painting changes pixels and labels inside the mask, none outside, and nothing at all for an empty mask."""
    canvas = Canvas(np.random.default_rng(3), (20, 30), label=2)
    mask = np.zeros((20, 30), bool)
    canvas.paint(mask, GROUNDS[0], 5, 1)
    assert not canvas.image.any()
    mask[4:9, 10:20] = True
    canvas.paint(mask, COATS[0], 5, 1, round_by=2)
    assert np.array_equal(canvas.labels == 1, mask)
    assert np.array_equal(canvas.image.any(axis=-1), mask)


def test_the_same_seed_gives_the_same_bytes_in_any_number_of_processes(made, tmp_path):
    """Two processes write the same files as one, byte for byte."""
    make_lookalikes(tmp_path, "smoke", seed=5, counts=FEW, workers=2)
    assert contents(tmp_path) == contents(made)


def test_another_seed_gives_other_images(made, tmp_path):
    """With another seed, every image is another one under the same name."""
    make_lookalikes(tmp_path, "smoke", seed=6, counts=FEW, workers=1)
    ours, theirs = contents(tmp_path), contents(made)
    assert ours.keys() == theirs.keys()
    assert not [name for name in ours if not name.endswith(".txt") and ours[name] == theirs[name]]


def test_a_small_set_is_the_beginning_of_a_large_one(made, tmp_path):
    """An image depends on seed and number alone, so smaller sets are contained in larger ones."""
    make_lookalikes(tmp_path, "smoke", seed=5, counts=Counts(3, 2, 2, 1), workers=1)
    pictures = {name: content for name, content in contents(tmp_path).items() if not name.endswith(".txt")}
    assert len(pictures) == 16
    assert pictures.items() <= contents(made).items()


def test_a_set_may_have_streets_only(made, tmp_path):
    """A split of no images is no error: who needs streets alone need not wait for pets."""
    make_lookalikes(tmp_path, "smoke", seed=5, counts=Counts(0, 0, 2, 1), workers=1)
    pictures = {name: content for name, content in contents(tmp_path).items() if not name.endswith(".txt")}
    assert len(pictures) == 6
    assert pictures.items() <= contents(made).items()


def test_a_finished_set_is_left_alone(made):
    """Asked for again, a finished set is not drawn again and no progress is told."""
    before = {path: path.stat().st_mtime_ns for path in made.rglob("*.*") if path.suffix != ".lock"}
    make_lookalikes(made, "smoke", seed=5, counts=FEW, progress=lambda *_: pytest.fail("something was done"))
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_progress_counts_what_exists(tmp_path):
    """Progress begins at what exists and goes up by one to all images; a resumed run begins where the first ended."""
    told = []
    with pytest.raises(KeyboardInterrupt):
        make_lookalikes(tmp_path, "smoke", counts=FEW, workers=1, progress=interrupt_after(10))
    make_lookalikes(tmp_path, "smoke", counts=FEW, workers=1, progress=lambda *now: told.append(now))
    assert told == [(done, sum(FEW)) for done in range(10, sum(FEW) + 1)]


def interrupt_after(images):
    """Return a progress function that acts as Ctrl-C does once so many images exist."""

    def progress(done, _total):
        if done == images:
            raise KeyboardInterrupt

    return progress


def test_half_a_picture_is_drawn_again(made, tmp_path):
    """An image whose mask is missing, and what a killed run left half written, do not stay."""
    with pytest.raises(KeyboardInterrupt):
        make_lookalikes(tmp_path, "smoke", seed=5, counts=FEW, workers=1, progress=interrupt_after(3))
    mask = next(tmp_path.glob("oxford-iiit-pet/annotations/trimaps/*.png"))
    mask.with_name(f".{mask.name}.part").write_bytes(mask.read_bytes()[:20])
    mask.unlink()
    make_lookalikes(tmp_path, "smoke", seed=5, counts=FEW, workers=1)
    assert contents(tmp_path) == contents(made)


def test_a_killed_run_can_be_resumed(tmp_path):
    """After SIGKILL in the middle no worker goes on, every picture is whole, and a second run writes the rest."""
    counts = Counts(60, 4, 60, 4)
    call = f"make_lookalikes(Path({str(tmp_path)!r}), 'smoke', counts=Counts{tuple(counts)}, workers=2)"
    script = f"from pathlib import Path\nfrom grader.lookalikes import *\nif __name__ == '__main__':\n    {call}\n"
    (tmp_path.parent / "begin.py").write_text(script)
    with subprocess.Popen([sys.executable, str(tmp_path.parent / "begin.py")], cwd=ROOT, env=environment()) as process:
        wait_until(lambda: len(list(tmp_path.glob("oxford-iiit-pet/images/*.jpg"))) >= 5)
        workers = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive
    left = [path for path in tmp_path.rglob("*.*g") if not path.name.startswith(".")]
    assert 0 < len(left) < 2 * sum(counts)
    for path in left:
        Image.open(path).load()
    make_lookalikes(tmp_path, "smoke", counts=counts, workers=1)
    found = contents(tmp_path)
    assert len(found) == 2 * sum(counts) + 2
    assert not [name for name in found if name.endswith(".part")]


def wait_until(condition, seconds=60):
    """Wait until a condition holds; fail if it takes too long."""
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("seed", "scale", "says"), [(6, "smoke", "seed 5, and seed 6"), (5, "full", "scale smoke, and scale full")]
)
def test_one_folder_holds_one_set(made, seed, scale, says):
    """Another seed or scale in the same folder is refused with a sentence that names both, before anything is drawn."""
    before = contents(made)
    with pytest.raises(UsageError, match=says):
        make_lookalikes(made, scale, seed=seed, counts=FEW)
    assert contents(made) == before


def test_a_set_of_an_older_version_is_not_mixed_with_a_newer_one(tmp_path):
    """What another version of the generator began is not continued by this one."""
    make_lookalikes(tmp_path, "smoke", counts=Counts(1, 1, 1, 1))
    marker = tmp_path / ".lookalikes.json"
    marker.write_text(json.dumps({**json.loads(marker.read_text()), "version": 0}))
    with pytest.raises(UsageError, match="version 0"):
        make_lookalikes(tmp_path, "smoke", counts=Counts(1, 1, 1, 1))


@pytest.mark.parametrize("name", ["oxford-iiit-pet", "cityscapes"])
def test_real_data_are_not_mixed_with_look_alikes(tmp_path, name):
    """Where a data set exists that was not made here, nothing is written."""
    (tmp_path / name / "images").mkdir(parents=True)
    with pytest.raises(UsageError, match="real data set"):
        make_lookalikes(tmp_path, "smoke", counts=FEW)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_two_runs_at_once_share_a_folder(made, tmp_path):
    """A second process that is asked for the same set waits for the first one and finds it finished."""
    script = (
        "import sys, pathlib\nfrom grader.lookalikes import *\n"
        "make_lookalikes(pathlib.Path(sys.argv[1]), 'smoke', seed=5, counts=Counts(12, 6, 8, 4), workers=1,\n"
        "                progress=lambda *now: print(now))"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    runs = [subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE) for _ in range(2)]
    outputs = [run.communicate(timeout=120)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert sorted(len(output.splitlines()) for output in outputs) == [0, sum(FEW) + 1]
    assert contents(tmp_path) == contents(made)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to_is_told(tmp_path):
    """Without the right to write, the error names the folder and the system's reason."""
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="Permission denied"):
        make_lookalikes(tmp_path / "data", "smoke", counts=FEW)


def test_a_file_in_place_of_the_folder_is_told(tmp_path):
    """Where the folder's name belongs to a file, that is a wrong usage and no traceback."""
    (tmp_path / "data").write_text("")
    with pytest.raises(UsageError, match=re.escape(str(tmp_path / "data"))):
        make_lookalikes(tmp_path / "data", "smoke", counts=FEW)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_write_that_fails_is_told(tmp_path, processes):
    """A picture that cannot be written ends the run with the reason, in whichever process that happens."""
    counts = Counts(20, 1, 1, 1)
    for task in tasks(counts):
        path = tmp_path / task.mask
        path.with_name(f".{path.name}.part").mkdir(parents=True)  # where the picture is to be written first
    (tmp_path / ".lookalikes.json").write_text(
        json.dumps({"version": making_module.VERSION, "scale": "smoke", "seed": 0, "counts": counts, "finished": False})
    )
    with pytest.raises(UsageError, match="Is a directory"):
        make_lookalikes(tmp_path, "smoke", counts=counts, workers=processes)


def test_a_process_that_dies_is_the_graders_fault(tmp_path):
    """If a drawing process is killed, the run ends with a fault and can be resumed; it does not wait for ever."""

    def kill_one(done, _total):
        if done == 3:
            psutil.Process().children(recursive=True)[-1].kill()

    counts = Counts(400, 1, 1, 1)
    with pytest.raises(GraderFault, match="A process ended"):
        make_lookalikes(tmp_path, "smoke", counts=counts, workers=2, progress=kill_one)
    assert json.loads((tmp_path / ".lookalikes.json").read_text())["finished"] is False


def test_the_command_says_where_the_data_are(tmp_path):
    """`data` on a finished set ends at once with code 0 and the arguments that the scripts need."""
    counts = SCALES["smoke"]
    marker = {"version": making_module.VERSION, "scale": "smoke", "seed": 3, "counts": counts, "finished": True}
    (tmp_path / ".lookalikes.json").write_text(json.dumps(marker))
    result = grader("data", "--root", tmp_path, "--scale", "smoke", "--seed", "3")
    assert result.returncode == 0, result.stderr
    assert f"--data-root {tmp_path}/cityscapes" in result.stdout
    assert f"{counts.trainval} pets" in result.stdout


def test_an_interrupted_command_says_how_to_go_on(tmp_path):
    """Ctrl-C, which reaches the drawing processes too, ends with code 130 and one sentence, without tracebacks."""
    command = [sys.executable, "-m", "grader", "data", "--root", str(tmp_path), "--scale", "full"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(), stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        wait_until(lambda: len(list(tmp_path.glob("oxford-iiit-pet/images/*.jpg"))) >= 3)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "The same command goes on" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--scale", "smoke"], "--root"),
        (["--root", "x"], "--scale"),
        (["--root", "x", "--scale", "huge"], "huge"),
        (["--root", "x", "--scale", "smoke", "--seed", "-1"], "--seed"),
    ],
)
def test_wrong_arguments_of_the_command_are_a_usage_error(arguments, says, tmp_path):
    """A missing or wrong argument ends with code 4 and names the argument; nothing is written."""
    result = grader("data", *arguments, cwd=tmp_path)
    assert result.returncode == 4
    assert says in result.stderr
    assert not list(Path(tmp_path).iterdir())


def test_the_commands_help_names_its_arguments():
    """`data --help` names the scales and says that a run can be resumed."""
    result = grader("data", "--help")
    assert result.returncode == 0
    for word in ("--root", "smoke", "full", "--seed", "resumed"):
        assert word in result.stdout
