"""What a script without an interface leaves to be chosen, as its source and its authors tell."""

import ast
from pathlib import Path
from textwrap import dedent

import pytest

from grader.answers.script_form import Choices, Observed, Parser
from grader.checking.variations import Variation, documented, pairs, scripts_of, single_changes
from grader.probes import choices
from grader.probes.documented import documented as commands_in
from grader.probes.shortening import Shortening


def offered(text: str) -> dict[str, object]:
    """The choices of a script's text."""
    source = dedent(text)
    return choices.offered(choices.parsed(source, "train.py"), source)


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("MODE = 'scratch'\nif MODE == 'city': pass", "MODE", "'city'"),
        ("MODE = 'scratch'\nif MODE.startswith('fine'): pass", "MODE", "'fine'"),
        ("MODE = 'scratch'\nif MODE in ('city', 'tuned'): pass", "MODE", "'tuned'"),
        ("MODE = 'scratch'\nmatch MODE:\n    case 'city': pass", "MODE", "'city'"),
        ("RUNS = {'a': 1, 'city': 2}\nMODE = 'a'\nRUNS[MODE]", "MODE", "'city'"),
        ("# MODE = 'city'\nMODE = 'scratch'", "MODE", "'city'"),
        ("MODE = 'scratch'  # or 'city'", "MODE", "'city'"),
        ("args.pretrained = False", "args.pretrained", "True"),
        ("class CFG:\n    freeze = False", "freeze", "True"),
        ("weights_file = None", "weights_file", "'pretrained.pth'"),
        ("# net = fcn(None)\nnet = fcn(IMAGENET)", "net", "fcn(None)"),
        ("def train(net):\n    net.train()\ntrain('fcn')\nif net == 'segformer': pass", "train(net)", "'segformer'"),
    ],
)
def test_values_that_a_script_speaks_of_are_offered(text: str, name: str, value: str) -> None:
    """Other values for what is set are words of the script itself."""
    assert value in offered(text)["values"][name]


def test_a_literal_that_is_compared_with_nothing_is_no_choice() -> None:
    """Whoever sets a path or a title has not chosen an experiment."""
    assert offered("root = 'data'\ntitle = 'run 1'")["values"] == {}


def test_arguments_are_compared_with_words_however_they_are_read() -> None:
    """By index, by name, in a loop, or as a function's parameter."""
    for text in (
        "import sys\nif sys.argv[1] == 'city': pass",
        "import sys\nmode = sys.argv[1]\nif mode not in ('city', 'pets'): sys.exit(2)",
        "import sys\nfor mode in sys.argv[1:]:\n    if mode == 'city': pass",
        "import sys\ndef main(mode='pets'):\n    if mode == 'city': pass\nmain(*sys.argv[1:])",
        "import sys\nif 'city' in sys.argv: pass",
    ):
        assert "city" in offered(text)["words"]["argv"], text


def test_calls_that_were_commented_out_and_functions_never_called_are_offered() -> None:
    """In place of the call that trains."""
    text = """
    def scratch(args): Trainer(args).train()
    def city(args): Trainer(args).train()
    def tuned(args): Trainer(args).train()
    # city(args)
    scratch(args)
    """
    assert offered(text)["calls"] == ["city(args)", "tuned(args)"]


def test_chosen_values_and_calls_are_what_runs() -> None:
    """The changed tree does what the edited script would do."""
    tree = choices.parsed(
        "MODE = 'a'\nargs = 1\ndef f(x): t.train()\ndef g(x): t.train()\nf(args)\nf(args)", "train.py"
    )
    choices.choose(tree, {"MODE": "'b'"}, "g(args)")
    assert ast.unparse(tree).splitlines()[0] == "MODE = 'b'"
    assert ast.unparse(tree).splitlines()[-2:] == ["g(args)", "None"]


def test_block_of_lines_is_code_again() -> None:
    """A block that was commented out is offered where it is code without the sign."""
    source = dedent(
        """\
        net = make()
        # net.encoder.load_state_dict(torch.load('city.pth'))
        # net.freeze()

        run(net)
        """
    )
    assert choices.offered(choices.parsed(source, "train.py"), source)["lines"] == [[2, 3]]
    assert "\nnet.encoder.load_state_dict" in choices.uncommented(source, 2, 3)


@pytest.mark.parametrize(
    ("line", "environment", "arguments"),
    [
        ("    python train.py --dataset city  # pre-training", [], ["--dataset", "city"]),
        ("STAGE=city python3 -u train.py", ["STAGE=city"], []),
        ("Part 4. python train.py scratch, or python train.py imagenet", [], ["imagenet"]),
        ("`python train.py -p` trains with weights", [], ["-p"]),
        ("python train.py configs/a.yaml        (frozen)", [], ["configs/a.yaml"]),
    ],
)
def test_commands_that_authors_write_down_are_read(
    line: str, environment: list[str], arguments: list[str], tmp_path: Path
) -> None:
    """From a README, a job or a docstring, with variables of the environment."""
    (tmp_path / "README.md").write_text(line)
    (tmp_path / "train.py").write_text("")
    assert {"environment": environment, "arguments": arguments} in commands_in(tmp_path, "train.py")


@pytest.mark.parametrize("line", ["python train.py [--freeze]", "python train.py --encoder FILE", "python viz.py -x"])
def test_what_cannot_be_typed_is_no_command(line: str, tmp_path: Path) -> None:
    """A place for something else, or another script."""
    (tmp_path / "README.md").write_text(line)
    (tmp_path / "train.py").write_text("")
    assert commands_in(tmp_path, "train.py") == []


@pytest.mark.parametrize(
    "text",
    [
        "num_epochs = 31\nfound = num_epochs",
        "class CFG:\n    epochs: int = 31\nfound = CFG.epochs",
        "found = dict(num_epochs=31)['num_epochs']",
        "found = {'epochs': 31}['epochs']",
        "class Trainer:\n    def __init__(self, net, num_epochs): self.n = num_epochs\nfound = Trainer(None, 31).n",
        "def fit(net, epochs=31): return epochs\nfound = fit(None)",
        "from dataclasses import dataclass\n@dataclass\nclass Run:\n    epochs: int\nfound = Run(31).epochs",
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('--num-epochs', default=31)\n"
        "found = p.parse_args([]).num_epochs",
    ],
)
def test_trainings_are_short_however_epochs_are_counted(text: str) -> None:
    """31 epochs are three, as odd; the number that was asked for is told."""
    shortening = Shortening(None)
    tree = choices.parsed(text, "train.py")
    shortening.change(tree)
    names: dict[str, object] = {"__name__": "made", "__grader_few_epochs__": shortening._shortened}
    exec(compile(tree, "train.py", "exec"), names)
    assert names["found"] == 3
    assert shortening.asked() == 31


def test_even_numbers_of_epochs_stay_even() -> None:
    """The last of 30 epochs is none in which the handout's trainer validates."""
    shortening = Shortening(None)
    tree = choices.parsed("epochs = 30\nbatch = 64", "train.py")
    shortening.change(tree)
    assert ast.unparse(tree) == "epochs = 4\nbatch = 64"


def observed(parser: dict[str, object] | None = None, **more: object) -> Observed:
    """How a script ran, as far as variations ask."""
    empty = {"values": {}, "words": {}, "calls": [], "lines": [], "environment": [], "documented": []}
    return Observed.model_construct(
        choices=Choices.model_validate(empty | more),
        parser=Parser.model_validate(parser) if parser is not None else None,
    )


def option(*names: str, dest: str = "", **more: object) -> dict[str, object]:
    """An option of a parser."""
    plain = {"choices": [], "switch": False, "default": "None", "required": False}
    return plain | {"names": list(names), "dest": dest or names[0].lstrip("-")} | more


def lines(script: str, seen: Observed, *files: str) -> list[str]:
    """The variations with one change."""
    return [variation.line for variation in single_changes(script, seen, files)]


def test_options_of_a_parser_are_tried() -> None:
    """Switches, choices, words that code compares with, files where weights are wanted; no devices and rates."""
    parser = {
        "options": [
            option("-p", "--pretrained", dest="pretrained", switch=True),
            option("--dataset", default="oxford", choices=["oxford", "city"]),
            option("--mode", default="scratch"),
            option("--encoder"),
            option("--gpu_id", default="0"),
            option("--lr", default="0.001"),
        ],
        "commands": {},
    }
    assert lines("train.py", observed(parser, words={"mode": ["scratch", "finetune"], "gpu_id": ["1"]})) == [
        "python train.py --pretrained",
        "python train.py --dataset city",
        "python train.py --mode finetune",
        "python train.py --encoder pretrained.pth",
    ]


def test_what_a_parser_requires_is_given_throughout() -> None:
    """A positional word with choices, or one of the hand-in's configurations."""
    choice = {"options": [option(dest="mode", choices=["a", "b"], required=True) | {"names": []}], "commands": {}}
    assert lines("train.py", observed(choice)) == ["python train.py a", "python train.py b"]
    config = {"options": [option(dest="config", default="runs/a.yaml") | {"names": []}], "commands": {}}
    assert lines("train.py", observed(config), "runs/a.yaml", "runs/b.yaml", "x.py") == ["python train.py runs/b.yaml"]


def test_commands_keep_their_own_options() -> None:
    """An option of one command is not given to another."""
    tune = {"options": [option("--freeze", switch=True)], "commands": {}}
    parser = {"options": [], "commands": {"city": {"options": [], "commands": {}}, "tune": tune}}
    seen = observed(parser)
    assert lines("train.py", seen) == ["python train.py city", "python train.py tune", "python train.py tune --freeze"]
    singles = list(single_changes("train.py", seen, ()))
    assert [both.line for both in pairs(singles[:1], singles, seen)] == []


def test_two_changes_touch_two_things() -> None:
    """Never the same option or constant twice."""
    seen = observed(values={"MODE": ["'tuned'"], "FREEZE": ["True"]})
    singles = list(single_changes("train.py", seen, ()))
    both = list(pairs(singles[:1], singles, seen))
    assert [each.line for each in both] == ["python train.py (MODE = 'tuned', FREEZE = True)"]


def test_environment_is_a_choice_where_code_asks_for_it() -> None:
    """With the words that it is compared with, or else set."""
    seen = observed(environment=["STAGE", "PRETRAINED", "WANDB_KEY"], words={"stage": ["scratch", "city"]})
    assert lines("train.py", seen) == [
        "STAGE=scratch python train.py",
        "STAGE=city python train.py",
        "PRETRAINED=1 python train.py",
    ]


def test_documented_commands_count_as_the_authors_own() -> None:
    """They are no variation of ours."""
    seen = observed(documented=[{"environment": ["A=1"], "arguments": ["city"]}])
    (variation,) = documented("train.py", seen)
    assert (variation.line, variation.as_it_stands) == ("A=1 python train.py city", True)
    assert not Variation("train.py", ("city",)).as_it_stands


def test_scripts_that_train_come_in_the_handouts_order() -> None:
    """Then others, and those at last that start from what another one has written; none that only shows or tests."""
    files = (
        "finetune.py",
        "viz_pets.py",
        "pretrain.py",
        "train_segformer.py",
        "dlvc/trainer.py",
        "train.py",
        "test_x.py",
    )
    assert scripts_of(files) == ["train.py", "train_segformer.py", "pretrain.py", "finetune.py"]
