"""The handout agrees with itself, with the reference solution, and with the published curves.

The reference is read as text, so that these tests need no torch.
"""

import ast
import re
from pathlib import Path

import numpy as np
import pytest

from grader.experiments.curves import load_published
from grader.experiments.figures import FIGURES

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "reference"
HANDOUT = (ROOT / "assignment.md").read_text(encoding="utf-8")
CODE_BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
PROSE = CODE_BLOCK.sub("", HANDOUT)
SCRIPTS = ("train.py", "train_segformer.py")


def table_after(anchor: str) -> list[list[str]]:
    """Return the cells of the first table after a text that occurs once, without its header."""
    assert HANDOUT.count(anchor) == 1, f"{anchor!r} is to occur exactly once"
    match = re.search(r"(?:^\|.*\|$\n?)+", HANDOUT.partition(anchor)[2], re.MULTILINE)
    assert match, f"no table after {anchor!r}"
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in match[0].splitlines()]
    return rows[2:]


def slug(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def confusion_matrix() -> np.ndarray:
    """Return the worked example's matrix as the handout shows it."""
    return np.array([[int(cell) for cell in row[1:]] for row in table_after("gives the confusion matrix:")])


def ious(confusion: np.ndarray) -> np.ndarray:
    """Return each class's IoU, 0 where the class does not occur."""
    hits = confusion.diagonal()
    return hits / np.maximum(confusion.sum(axis=0) + confusion.sum(axis=1) - hits, 1)


LINKS = re.findall(r"\]\(([^)\s]+)\)", PROSE)
HEADINGS = re.findall(r"^#{1,6} (.+)$", PROSE, re.MULTILINE)


@pytest.mark.parametrize("link", sorted({link for link in LINKS if not link.startswith("http")}))
def test_link_leads_somewhere(link):
    """A relative link or picture names a file that exists, an anchor names a heading of the handout."""
    path, _, anchor = link.partition("#")
    if path:
        assert (ROOT / path).is_file()
    else:
        assert anchor in {slug(heading) for heading in HEADINGS}


def test_contents_lists_every_chapter():
    """The table of contents lists all second-level headings in their order and under their names."""
    contents = HANDOUT.partition("**Contents**")[2].partition("\n## ")[0]
    listed = re.findall(r"^- \[(.+)\]\(#.+\)$", contents, re.MULTILINE)
    assert listed == re.findall(r"^## (.+)$", PROSE, re.MULTILINE)


def test_pictures_are_described():
    """All figures of curves are shown, and every picture has a text for those who cannot see it."""
    shown = {path: text for text, path in re.findall(r"!\[(.*)\]\((.+)\)", PROSE)}
    assert {f"img/{name}.png" for name in FIGURES} <= set(shown)
    assert all(len(text) > 20 for text in shown.values())


def test_code_blocks_are_closed():
    """Outside of code blocks, no fence is left over."""
    assert "```" not in PROSE


def test_worked_example_is_right():
    """The IoUs and the mIoU of the worked example are what its confusion matrix gives."""
    confusion = confusion_matrix()
    hits = confusion.diagonal()
    for row, tp, fp, fn, iou in zip(
        table_after("FP the rest of the column:"),
        hits,
        confusion.sum(axis=0) - hits,
        confusion.sum(axis=1) - hits,
        ious(confusion),
        strict=True,
    ):
        assert row[1:] == [str(tp), str(fp), str(fn), f"{tp} / {tp + fp + fn} = {iou:.3f}"]
    mean = ious(confusion).mean()
    assert f"The mean is {mean:.3f}, so `str()` of the metric is `mIoU: {mean:.2f}`" in PROSE


def test_worked_example_is_the_picture():
    """The picture of the worked example shows the pixels that the confusion matrix counts."""
    svg = (ROOT / "img" / "metric_example.svg").read_text(encoding="utf-8")
    digits = np.array([int(digit) for digit in re.findall(r">(\d)</text>", svg)])
    target, prediction = digits.reshape(2, 16)
    counted = np.zeros((3, 3), int)
    np.add.at(counted, (target, prediction), 1)
    assert counted.tolist() == confusion_matrix().tolist()
    assert "prediction with five mistakes" in PROSE
    assert (target != prediction).sum() == 5


def test_variations_of_the_example_are_right():
    """An absent class, an ignored pixel and a second batch change the mIoU as the handout says."""
    confusion = confusion_matrix()
    absent = ious(np.pad(confusion, (0, 1))).mean()
    assert f"(0.600 + 0.667 + 0.200 + 0) / 4 = {absent:.3f}" in PROSE
    ignored = confusion - np.diag([0, 1, 0])
    assert f"(0.600 + 3 / 5 + 0.200) / 3 = {ious(ignored).mean():.3f}" in PROSE
    second = np.diag([0, 8, 0])
    assert f"1 / 3 = {ious(second).mean():.3f}" in PROSE
    assert f"would be {(ious(confusion).mean() + ious(second).mean()) / 2:.3f}" in PROSE
    assert f"(0.600 + 12 / 14 + 0.200) / 3 = {ious(confusion + second).mean():.3f}" in PROSE


@pytest.mark.parametrize(
    ("label", "run"),
    [
        ("FCN, from scratch", "fcn_scratch"),
        ("FCN, ImageNet backbone", "fcn_pretrained_backbone"),
        ("SegFormer, from scratch", "segformer_scratch"),
        ("SegFormer, fine-tuned (a)", "segformer_finetuned"),
    ],
)
def test_published_results_are_those_of_the_curves(label, run):
    """The table of published results holds the best and last values of the published curves."""
    table = {row[0]: row[1:] for row in table_after("The best and last values of all runs in this handout:")}
    curves = load_published()[run]
    best = max(curves.val_miou.values)
    epoch = curves.val_miou.steps[curves.val_miou.values.index(best)]
    last_val, last_train = curves.val_miou.values[-1], curves.train_miou.values[-1]
    assert table[label] == [f"{best:.2f}", str(epoch), f"{last_val:.2f}", f"{last_train:.2f}"]


def test_token_map_table_is_right():
    """The table of token maps agrees with a strided convolution whose padding is half its kernel."""

    def length(size: int, patch: int, stride: int) -> int:
        padded = np.zeros(size + 2 * (patch // 2))
        return len(np.lib.stride_tricks.sliding_window_view(padded, patch)[::stride])

    for size, patch, stride, *values in table_after("Values to test yourself:"):
        sides = [int(number) for number in re.findall(r"\d+", size.strip("`"))]
        height, width = (length(side, int(patch), int(stride)) for side in (sides[0], sides[-1]))
        assert [int(value) for value in values] == [height, width, height * width]


def test_parameter_counts():
    """The parameter counts to check oneself by follow from the architecture that the handout describes."""
    dims = (32, 64, 160, 256)

    def linear(inputs: int, outputs: int) -> int:
        return inputs * outputs + outputs

    encoder = 0
    for before, dim, kernel, sr in zip((3, *dims), dims, (5, 3, 3, 3), (8, 4, 2, 1), strict=False):
        norm = 2 * dim
        reduction = dim * dim * sr * sr + dim + norm if sr > 1 else 0
        attention = linear(dim, dim) + linear(dim, 2 * dim) + linear(dim, dim) + reduction
        mlp = linear(dim, 4 * dim) + (9 + 1) * 4 * dim + linear(4 * dim, dim)
        patch_embedding = before * dim * kernel * kernel + dim + norm
        encoder += patch_embedding + 2 * (norm + attention + norm + mlp) + norm
    decoder = sum(linear(dim, 256) for dim in dims) + linear(4 * 256, 256) + 2 * 256
    assert {row[0]: row[1] for row in table_after("### Check yourself")} == {
        "`SegFormer(3)`": f"{encoder + decoder + linear(256, 3):,}",
        "`SegFormer(19)`": f"{encoder + decoder + linear(256, 19):,}",
        "the encoder of either": f"{encoder:,}",
    }
    assert (encoder, encoder + decoder + linear(256, 3)) == (3_317_088, 3_712_867)


def literal(node: ast.expr | None, names: dict[str, object]) -> object:
    """Return the value of a default: a literal, a name from `names`, or the string inside `Path(...)`."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Path":
        node = node.args[0]
    if isinstance(node, ast.Name):
        return names[node.id]
    return None if node is None else ast.literal_eval(node)


def arguments_in(source: str) -> dict[str, object]:
    """Return the flags that a module adds to a parser, with their defaults; None where computed."""
    found: dict[str, object] = {}
    for scope in ast.parse(source).body:
        names: dict[str, object] = {}
        if isinstance(scope, ast.FunctionDef):
            options = zip(scope.args.kwonlyargs, scope.args.kw_defaults, strict=True)
            names = {option.arg: literal(default, {}) for option, default in options}
        for call in ast.walk(scope):
            if not (isinstance(call, ast.Call) and call.args and isinstance(call.args[0], ast.Constant)):
                continue
            flag = call.args[0].value
            if isinstance(flag, str) and flag.startswith("--"):
                keywords = {keyword.arg: keyword.value for keyword in call.keywords}
                found[flag] = literal(keywords.get("default"), names)
    return found


def assigned(source: str, name: str) -> dict[str, dict[str, int]]:
    """Return the literal that a module assigns to `name`."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == [name]:
            return ast.literal_eval(node.value)
    raise AssertionError(f"the module does not assign {name}")


def script_defaults(script: str) -> dict[str, str]:
    """Return each flag of a reference script with its default, written as the handout writes it."""
    source = (REFERENCE / script).read_text(encoding="utf-8")
    shared = (REFERENCE / "dlvc" / "cli.py").read_text(encoding="utf-8")
    defaults = arguments_in(shared) | arguments_in(source)
    written = {flag: f"`{value}`" if isinstance(value, str) else str(value) for flag, value in defaults.items()}
    if script == "train_segformer.py":
        pets, streets = (assigned(source, "DEFAULTS")[name] for name in ("oxford", "city"))
        for key in pets:
            written[f"--{key.replace('_', '-')}"] = f"{pets[key]} pets, {streets[key]} streets"
        written |= {"--pretrained": "none", "--freeze-encoder": "off"}
    return written


@pytest.mark.parametrize("script", SCRIPTS)
def test_arguments_and_defaults(script):
    """The table of arguments holds exactly the arguments of each script, with their defaults."""
    column = 1 + SCRIPTS.index(script)
    rows = table_after("their defaults are the settings of the published curves.")
    assert {row[0].strip("`"): row[column] for row in rows if row[column]} == script_defaults(script)


def solution_regions() -> list[tuple[str, str, str]]:
    """Return part, file and name of every region that the reference has and students write."""
    return [
        (part, path.relative_to(REFERENCE).as_posix(), title.split()[-1])
        for path in sorted(REFERENCE.rglob("*.py"))
        for part, title in re.findall(r"# SOLUTION-BEGIN Part (\d+): (.+)", path.read_text(encoding="utf-8"))
    ]


def test_tasks_are_those_of_the_starter():
    """The table of tasks names each region that students write, in its file and part, and no other."""
    listed = {
        (part, file.strip("`"), name)
        for part, file, names in table_after("with an instruction and the number of its part.")
        for name in re.findall(r"`([^`]+)`", names)
    }
    assert listed == set(solution_regions())


@pytest.mark.parametrize("path", sorted(set(re.findall(r"[\w/]+\.py\b", HANDOUT))))
def test_named_files_exist(path):
    """Every Python file that the handout names is in the reference solution."""
    name = path.removeprefix("student/")
    assert any(file.as_posix().endswith(f"/{name}") for file in REFERENCE.rglob("*.py"))
