"""The experiments of the handout, as `grader/experiments/plans.toml` lists them."""

import argparse
import contextlib
import runpy
import sys
from pathlib import Path

import pytest

from grader.errors import GraderFault
from grader.experiments.curves import load_published
from grader.experiments.plans import PLANS_FILE, load_experiments
from tests.harness.command import ROOT

EXPERIMENTS = load_experiments()
SCALES = ("smoke", "full")


class Parsed(Exception):  # noqa: N818 - nothing is wrong
    """Ends a script as soon as its arguments are known."""


@pytest.fixture
def parse(monkeypatch):
    """Return a function that gives what a reference script's own parser makes of arguments."""
    monkeypatch.syspath_prepend(str(ROOT / "reference"))
    original = argparse.ArgumentParser.parse_args
    calls = []

    def record(parser, *args, **kwargs):
        calls.append(original(parser, *args, **kwargs))
        return calls[-1]

    def stop(*_args):
        raise Parsed

    def parse(script, arguments):
        monkeypatch.setattr(sys, "argv", [script, *arguments])
        with contextlib.suppress(Parsed):
            runpy.run_path(str(ROOT / "reference" / script), run_name="__main__")
        return calls[-1]

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", record)
    monkeypatch.setattr("torch.manual_seed", stop)  # the first thing that the scripts do once they have parsed
    yield parse
    for name in [name for name in sys.modules if name.partition(".")[0] == "dlvc"]:
        del sys.modules[name]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.name)
def test_a_script_understands_its_experiment(parse, experiment, scale):
    """The parser of the reference's script accepts an experiment's arguments and understands what was meant."""
    args = parse(experiment.script, experiment.arguments(scale, Path("here"), Path("there")))
    settings = experiment.settings(scale)
    assert (args.epochs, args.batch_size, args.lr) == (settings.epochs, settings.batch_size, settings.lr)
    assert args.val_frequency == settings.val_frequency
    assert args.output == Path("there") / experiment.name
    assert args.data_root == (Path("here/cityscapes") if experiment.data == "streets" else Path("here"))


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.name)
def test_full_experiments_are_the_handouts(parse, experiment):
    """At full scale an experiment has the defaults of its script, which are the handout's; but half a rate is half."""
    defaults = parse(experiment.script, experiment.flags)
    settings = experiment.settings("full")
    assert (settings.epochs, settings.batch_size) == (defaults.epochs, defaults.batch_size)
    assert settings.val_frequency == defaults.val_frequency
    assert settings.lr == defaults.lr * (0.5 if experiment.name.endswith("half_lr") else 1)


def test_the_experiments_are_those_of_the_handout():
    """There are two FCNs, a SegFormer from scratch, a pre-training, and three ways of fine-tuning after it."""
    assert [(experiment.name, experiment.after) for experiment in EXPERIMENTS] == [
        ("fcn_scratch", None),
        ("fcn_backbone", None),
        ("segformer_scratch", None),
        ("city_pretraining", None),
        ("finetune_all", "city_pretraining"),
        ("finetune_frozen", "city_pretraining"),
        ("finetune_all_half_lr", "city_pretraining"),
    ]


def test_fine_tuning_starts_from_the_last_model_of_its_pre_training(parse):
    """The weights that fine-tuning reads are the last ones that the pre-training writes; only b freezes them."""
    for experiment in EXPERIMENTS:
        if experiment.after:
            args = parse(experiment.script, experiment.arguments("smoke", Path("here"), Path("there")))
            assert args.pretrained == Path("there/city_pretraining/SegFormer_model_last.pth")
            assert args.freeze_encoder == (experiment.name == "finetune_frozen")


def test_every_published_run_has_its_experiment():
    """Each run that the handout publishes is repeated by one experiment."""
    assert sorted(e.published for e in EXPERIMENTS if e.published) == sorted(load_published())


@pytest.mark.parametrize("scale", SCALES)
def test_experiments_that_are_compared_differ_in_one_thing(scale):
    """Scratch, a and b have the same settings, and the half learning rate differs in that alone."""
    by_name = {experiment.name: experiment.settings(scale) for experiment in EXPERIMENTS}
    assert by_name["segformer_scratch"] == by_name["finetune_all"] == by_name["finetune_frozen"]
    half = by_name["finetune_all"].model_copy(update={"lr": by_name["finetune_all"].lr / 2})
    assert by_name["finetune_all_half_lr"] == half


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('after = "city_pretraining"', 'after = "town"', "town"),
        ("epochs = 40", "epochs = 0", "epochs"),
        ('"train.py"', '"strain.py"', "script"),
        ('name = "fcn_backbone"', 'name = "fcn_scratch"', "twice"),
        ("[[experiment]]", "[[experiment", "experiments"),
    ],
)
def test_a_wrong_file_is_the_graders_fault(tmp_path, old, new, says):
    """A file that contradicts itself is a fault of the grader's, whose message names the place."""
    text = PLANS_FILE.read_text()
    assert old in text
    (tmp_path / "plans.toml").write_text(text.replace(old, new))
    with pytest.raises(GraderFault, match=says):
        load_experiments(tmp_path / "plans.toml")
