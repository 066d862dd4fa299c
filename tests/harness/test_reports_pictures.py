"""The pictures of smoke trainings: what they show and are drawn from, and how they stand on page and terminal."""

import base64
import io
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from grader.experiments.curves import METRICS
from grader.records import Series, SmokeTraining, TrainingVerdict
from grader.reports.overview import State, training_state
from grader.reports.pictures import (
    CLASS_COLORS,
    MOST_SAMPLES,
    class_colors,
    curves_figure,
    row_shares,
    training_pictures,
)
from grader.reports.samples import IGNORED, WRONG, Shown, coloured, marked, read_sample, rgb, wrong_pixels
from tests.harness import smoke_trainings
from tests.harness.gradesheets import mixed
from tests.harness.report_examples import SHEETS, Example, Page, printed, rendered
from tests.harness.smoke_trainings import CLASSES, encoded

GOOD = smoke_trainings.as_good()
OVERFITS = smoke_trainings.overfits()
BARE = smoke_trainings.bare("nothing")
SAMPLE = GOOD.unseen.samples[0]
SHOWN = read_sample(SAMPLE, len(CLASSES))


def looking_otherwise(**changes: object) -> SmokeTraining:
    """The good training with other results on unseen images."""
    return GOOD.model_copy(update={"unseen": GOOD.unseen.model_copy(update=changes)})


class TestPictures:
    """The files, and the words with them."""

    @pytest.mark.parametrize(
        ("training", "names"),
        [
            (GOOD, ["curves", "published", "class_iou", "confusion", "samples"]),
            (OVERFITS, ["curves", "published"]),
            (BARE, ["curves"]),
            (looking_otherwise(samples=()), ["curves", "published", "class_iou", "confusion"]),
            (GOOD.model_copy(update={"published": "another"}), ["curves", "class_iou", "confusion", "samples"]),
        ],
        ids=["everything", "no weights", "nothing at all", "no samples", "nothing published"],
    )
    def test_what_there_is_to_draw_is_drawn(self, training, names):
        """Each picture that the training has data for is there, in reading order, with words in its place."""
        pictures = training_pictures(training)
        assert [picture.name for picture in pictures] == names
        assert all(len(words) > 20 for picture in pictures for words in (picture.alt, picture.caption))

    def test_the_same_training_gives_the_same_files(self):
        """Drawing anew, not from memory, gives the same bytes."""
        first = training_pictures(GOOD)
        training_pictures.cache_clear()
        assert training_pictures(GOOD) == first

    def test_files_are_small_and_wide_enough(self):
        """All pictures of a training with many samples take less than 150 KB, and are sharp on a phone."""
        samples = tuple(smoke_trainings.sample(number) for number in range(8))
        pictures = training_pictures(looking_otherwise(samples=samples))
        assert sum(len(picture.png) for picture in pictures) < 150_000
        for picture in pictures:
            with Image.open(io.BytesIO(picture.png)) as image:
                image.load()
                assert (image.format, image.width) == ("PNG", 832)
        assert f"{8 - MOST_SAMPLES} more samples not shown" in pictures[-1].caption

    def test_words_say_what_the_pictures_show(self):
        """Who cannot see the pictures reads the numbers that matter."""
        curves, _, class_iou, confusion, samples = (picture.alt for picture in training_pictures(GOOD))
        assert "Validation mIoU, last measured: 0.595; the reference at its end: 0.525 to 0.615" in curves
        assert f"border {GOOD.unseen.class_iou[2]:.2f} and 0.45" in class_iou
        assert f"pet {row_shares(GOOD.unseen.confusion)[0, 0]:.1%}" in confusion
        assert f"mIoU {SAMPLE.miou:.2f}, {wrong_pixels(SHOWN).mean():.0%} wrong" in samples

    def test_names_of_classes_are_shown_as_they_are(self):
        """A name is neither a formula nor a reason to fail or to warn, and does not push the picture away."""
        strange = looking_otherwise(classes=("$\\frac{1}{$", "漢字" * 60 + "\x1b[31m", "a" * 300))
        assert len(training_pictures(strange)) == 5

    def test_many_classes_have_room(self):
        """The 19 classes of streets can be drawn, too."""
        rng = np.random.default_rng(0)
        streets = looking_otherwise(
            classes=tuple(f"class {number}" for number in range(19)),
            class_iou=tuple(rng.random(19).tolist()),
            median_class_iou=tuple(rng.random(19).tolist()),
            confusion=tuple(map(tuple, rng.integers(0, 100, (19, 19)).tolist())),
        )
        assert len(training_pictures(streets)) == 5

    @pytest.mark.parametrize("classes", [2, 3, 8, 9, 19, 30])
    def test_every_class_has_its_own_colour(self, classes):
        """No two classes look the same, and none looks like what is wrong."""
        assert len({*class_colors(classes), WRONG}) == classes + 1
        assert class_colors(3) == CLASS_COLORS[:3]


class TestCurves:
    """The picture of curves."""

    def test_it_holds_the_submission_over_the_band(self):
        """Both runs are drawn with their exact values, over the area between the lowest and the highest."""
        for axes, metrics in zip(curves_figure(GOOD).axes, (METRICS[::2], METRICS[1::2]), strict=True):
            lines = {line.get_gid(): line for line in axes.lines}
            for metric, area in zip(metrics, axes.collections, strict=True):
                for run in (GOOD.run, GOOD.band.median):
                    drawn = lines.pop(f"{run.name}:{metric}")
                    assert (*drawn.get_xdata(),) == getattr(run, metric).steps
                    assert (*drawn.get_ydata(),) == getattr(run, metric).values
                corners = {tuple(corner) for corner in area.get_paths()[0].vertices}
                for edge in (GOOD.band.low, GOOD.band.high):
                    assert set(zip(*getattr(edge, metric), strict=True)) <= corners
            assert not lines

    def test_a_run_that_broke_off_is_drawn_as_far_as_it_came(self):
        """The axis shows all epochs that were asked for."""
        axes = curves_figure(OVERFITS).axes[1]
        (line,) = [line for line in axes.lines if line.get_gid() == "submission:train_miou"]
        assert (*line.get_xdata(),) == (0, 1, 2, 3, 4)
        assert axes.get_xlim()[1] > OVERFITS.epochs - 1

    def test_a_loss_that_explodes_does_not_flatten_the_others(self):
        """The axis ends at twice the reference's highest loss, and the caption says so."""
        top = 2 * max(OVERFITS.band.high.train_loss.values)
        assert curves_figure(OVERFITS).axes[0].get_ylim() == (0, pytest.approx(top))
        assert "goes on above the picture" in training_pictures(OVERFITS)[0].caption
        assert "goes on above the picture" not in training_pictures(GOOD)[0].caption

    def test_a_loss_that_is_no_number_leaves_a_gap(self):
        """Of a run with NaN and infinite losses the finite ones are drawn."""
        broken = Series(tuple(range(4)), (1.0, math.nan, math.inf, 0.5))
        training = GOOD.model_copy(update={"run": replace(GOOD.run, train_loss=broken)})
        (line,) = [one for one in curves_figure(training).axes[0].lines if one.get_gid() == "submission:train_loss"]
        assert (*line.get_xdata(),) == (0, 3)

    def test_a_single_epoch_can_be_seen(self):
        """A run of one epoch is a marker, and what the reference's trainings span is a bar."""
        single = BARE.model_copy(update={"run": smoke_trainings.curves("submission", 0.02, epochs=1)})
        for axes in curves_figure(single).axes:
            assert all(line.get_marker() == "o" for line in axes.lines)
            assert all(area.get_linewidth()[0] > 5 for area in axes.collections)


class TestSamples:
    """Unseen images."""

    def test_exactly_the_wrong_pixels_are_marked(self):
        """The difference has the colour of what is wrong where truth and prediction differ, else grey."""
        truth, predicted = (smoke_trainings.labels_of(text) for text in (SAMPLE.truth, SAMPLE.predicted))
        picture = marked(SHOWN)
        has_the_mark = (picture == rgb(WRONG)).all(axis=2)
        assert np.array_equal(has_the_mark, truth != predicted)
        rest = picture[~has_the_mark]
        assert (rest == rest[:, :1]).all()
        assert 0 < has_the_mark.sum() < has_the_mark.size

    def test_ignored_pixels_are_not_wrong(self):
        """Where the truth says 255, any prediction will do."""
        truth = np.array([[0, 1, IGNORED]], np.uint8)
        predicted = np.array([[0, 0, 2]], np.uint8)
        shown = Shown(np.zeros((1, 3, 3), np.uint8), truth, predicted, 0.5)
        assert wrong_pixels(shown).tolist() == [[False, True, False]]

    def test_labels_have_the_colours_of_their_classes(self):
        """Each label is painted in its class's colour, ignored pixels in none of them."""
        painted = coloured(np.array([[2, 0, IGNORED]], np.uint8), CLASS_COLORS[:3])
        assert painted[0, :2].tolist() == [[255, 255, 255], [0xE6, 0x9F, 0x00]]
        assert tuple(painted[0, 2]) not in [rgb(color) for color in CLASS_COLORS]

    @pytest.mark.parametrize(
        "changes",
        [
            {"image": "no base64"},
            {"image": ""},
            {"image": SAMPLE.truth},
            {"truth": SAMPLE.image},
            {"truth": SAMPLE.truth[:80]},
            {"truth": encoded(np.zeros((64, 64), np.uint8), "GIF")},
            {"truth": encoded(np.zeros((64, 64, 3), np.uint8), "PNG")},
            {"truth": encoded(np.zeros((32, 64), np.uint8), "PNG")},
            {"predicted": encoded(np.full((64, 64), 3, np.uint8), "PNG")},
            {"predicted": encoded(np.full((64, 64), IGNORED, np.uint8), "PNG")},
            {"truth": encoded(np.zeros((20_000, 20_000), np.uint8), "PNG")},
            {
                "image": encoded(np.zeros((8, 3_000, 3), np.uint8), "JPEG"),
                "truth": encoded(np.zeros((8, 3_000), np.uint8), "PNG"),
                "predicted": encoded(np.zeros((8, 3_000), np.uint8), "PNG"),
            },
            {"image": "A" * 5_000_000},
        ],
        ids=[
            *("no base64", "empty", "PNG for JPEG", "JPEG for PNG", "cut off", "GIF", "colours", "other size"),
            *("unknown class", "ignored class predicted", "400 megapixels", "too wide", "too long"),
        ],
    )
    def test_what_is_damaged_is_not_read(self, changes):
        """A sample whose images are not what the record promises is none."""
        assert read_sample(SAMPLE.model_copy(update=changes), len(CLASSES)) is None

    def test_what_is_damaged_is_left_out_and_said(self):
        """A damaged sample costs neither the other samples nor the report."""
        damaged = SAMPLE.model_copy(update={"image": "no base64"})
        picture = training_pictures(looking_otherwise(samples=(damaged, SAMPLE)))[-1]
        assert picture.alt.startswith("1 unseen image,")
        assert "1 more sample not shown." in picture.caption

    @given(st.data())
    def test_damage_of_any_kind_does_no_harm(self, data):
        """Whatever bytes an image file holds, it is read or left out."""
        field = data.draw(st.sampled_from(["image", "truth"]))
        raw = bytearray(base64.b64decode(getattr(SAMPLE, field)))
        for _ in range(data.draw(st.integers(1, 4))):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        damaged = SAMPLE.model_copy(update={field: base64.b64encode(raw).decode()})
        shown = read_sample(damaged, len(CLASSES))
        assert shown is None or shown.image.shape == (64, 64, 3)

    def test_shares_are_of_rows(self):
        """The shares of a true class add up to 1; a class without pixels has none."""
        assert row_shares(((3, 1), (0, 0))).tolist() == [[0.75, 0.25], [0, 0]]


class TestOnThePage:
    """The section of `report.html`."""

    def test_each_training_is_told_and_shown(self):
        """Title, verdict, explanation, command and numbers are there, and every picture with its words."""
        page = Page(rendered(SHEETS["trained"])["report"])
        for training in (GOOD, OVERFITS):
            for words in (training.title, training.verdict, training.explanation, training.command):
                assert words in page.text
        assert f"mIoU {GOOD.unseen.miou:.3f} on 48; the reference: 0.620 to 0.690" in page.text
        articles = [found["class"] for found in page.all("article")]
        assert {"item training passed", "item training failed"} <= set(articles)
        pictures = [*training_pictures(GOOD), *training_pictures(OVERFITS)]
        shown = page.all("img")
        assert [found["alt"] for found in shown] == [picture.alt for picture in pictures]
        for found, picture in zip(shown, pictures, strict=True):
            assert base64.b64decode(found["src"].removeprefix("data:image/png;base64,")) == picture.png
            assert picture.caption in page.text

    def test_without_trainings_there_is_no_section(self):
        """A sheet without trainings has neither the section nor an image."""
        page = Page(rendered(SHEETS["mixed"])["report"])
        assert "Smoke trainings" not in page.text
        assert not page.all("img")


class TestOnTheTerminal:
    """The lines on the terminal."""

    @pytest.mark.parametrize("audience", ["student", "tutor"])
    def test_each_training_takes_a_few_lines(self, audience):
        """Mark, title, verdict, explanation, and the mIoU beside the reference's."""
        lines = printed(SHEETS["trained"], audience).splitlines()
        first = next(number for number, line in enumerate(lines) if "Smoke trainings" in line)
        told = [line.strip() for line in lines[first + 1 : first + 7]]
        assert told[0] == "✓ SegFormer, from scratch: as good as the reference"
        assert told[1] == f"unseen images: mIoU {GOOD.unseen.miou:.3f} on 48; the reference: 0.620 to 0.690"
        assert told[2] == GOOD.explanation
        assert told[3] == "✗ FCN, from scratch: overfits"
        assert " ".join(told[4:6]) == OVERFITS.explanation

    def test_without_trainings_there_is_no_line(self):
        """A sheet without trainings says nothing of them."""
        assert "Smoke trainings" not in printed(Example(mixed()), "tutor")

    def test_only_a_training_out_of_time_has_no_verdict(self):
        """What did not come to its end for lack of time is marked as not judged, all else as passed or failed."""
        states = {verdict: training_state(smoke_trainings.bare("x", verdict)) for verdict in TrainingVerdict}
        assert states.pop(TrainingVerdict.AS_REFERENCE) is State.PASSED
        assert states.pop(TrainingVerdict.OUT_OF_TIME) is State.UNSCORED
        assert set(states.values()) == {State.FAILED}
