"""The whole product, by command line: a submission in, reports and an exit code out."""

import contextlib
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from grader.commands.gradings import result_folders, tell_grading
from grader.errors import UsageError
from grader.naming import load_mistakes
from grader.records import Gradesheet, Isolation, Status
from grader.reports import load_gradesheet, write_reports
from grader.starter import handed_in
from tests.harness.bench import runs_worker
from tests.harness.command import ROOT, environment, grader, only_gradesheet, with_status
from tests.harness.gradesheets import RUBRIC, interrupted, mixed
from tests.harness.hosts import require
from tests.submissions.original_hand_ins import hand_ins


@pytest.fixture(scope="module")
def packed_reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reference as a group hands it in."""
    target = tmp_path_factory.mktemp("packed") / "group_0.zip"
    result = grader("pack", ROOT / "reference", "--output", target)
    assert result.returncode == 0, result.stderr
    return target


@dataclass(frozen=True)
class Ran:
    """A run of several submissions: what it printed and how it ended, and where its results are."""

    result: subprocess.CompletedProcess[str]
    output: Path

    def sheet(self, name: str) -> Gradesheet:
        """The gradesheet of a submission."""
        return load_gradesheet(self.output / name / "gradesheet.json")


@pytest.fixture(scope="module")
def together(packed_reference: Path, example: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The solution, what is no zip, and the example, graded in one run; the trusted side tells what it imported."""
    folder = tmp_path_factory.mktemp("together")
    sources = (packed_reference, _text(folder / "torn.zip", "hello"), example)
    options = ("--no-training", "--timings", "--seed", "1", "--output", folder / "out")
    command = [sys.executable, "-c", TELLS_IMPORTS, *map(str, (*sources, *options))]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment(), check=False)
    return Ran(result, folder / "out")


TELLS_IMPORTS = """
import sys
from grader.__main__ import main
code = main(sys.argv[1:])
print("imported:", *sorted({name.partition(".")[0] for name in sys.modules}))
sys.exit(code)
"""


def test_the_packed_reference_gets_every_automatic_point(together: Ran) -> None:
    """The solution passes every check, nothing is open but the tutor's items, and each report is there."""
    sheet = together.sheet("group_0")
    assert sheet.points.earned == sheet.points.possible > 0
    files = {"gradesheet.json", "report.html", "feedback.ipynb", "junit.xml"}
    assert {path.name for path in (together.output / "group_0").iterdir()} == files


@pytest.mark.nightly
@pytest.mark.parametrize("tier", [Isolation.LANDLOCK, Isolation.NONE])
def test_the_weaker_tiers_give_every_point_too(packed_reference: Path, tmp_path: Path, tier: Isolation) -> None:
    """Without bubblewrap the solution passes every check as well, and the exit code is 0."""
    require(tier)
    result = grader(packed_reference, "--no-training", "--output", tmp_path, "--isolation", tier.value)
    assert result.returncode == 0, result.stdout
    sheet = only_gradesheet(tmp_path)
    assert sheet.points.earned == sheet.points.possible > 0


def test_the_trusted_process_imports_no_submission_and_no_torch(together: Ran) -> None:
    """A whole grading leaves torch and all that is graded to its workers."""
    (line,) = (line for line in together.result.stdout.splitlines() if line.startswith("imported:"))
    assert {"torch", "torchvision", "dlvc", "reference", "student"}.isdisjoint(line.split())


def test_the_untouched_starter_earns_only_what_it_provides(tmp_path: Path) -> None:
    """Every open task is worth 0 and told as not written yet; what the starter gives passes; the exit code is 1."""
    result = grader("check", "--output", tmp_path)
    assert result.returncode == 1, result.stderr
    sheet = only_gradesheet(tmp_path)
    assert with_status(sheet, Status.PASSED) == ["segformer.checkpoint", "handin.no_data"]
    open_tasks = [item for item in sheet.items if item.part in ("metrics", "trainer", "segformer")]
    assert all(item.outcome.not_started for item in open_tasks if item.check != "segformer.checkpoint")
    assert sheet.points.open == 0
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_the_example_loses_exactly_its_two_mistakes(together: Ran) -> None:
    """The example has two mistakes, loses the points of two checks, and is told what the mistakes are."""
    sheet = together.sheet("group_7")
    assert with_status(sheet, Status.FAILED) == ["metrics.absent_classes", "segformer.block_drop_path"]
    assert (sheet.points.lost, sheet.points.open) == (4, 0)
    known = {mistake.name: mistake.sentence for mistake in load_mistakes()}
    told = [item.outcome.finding.likely for item in sheet.items if item.outcome.status is Status.FAILED]
    assert told == [known["absent_classes_left_out"], known["mlp_branch_never_dropped"]]
    report = (together.output / "group_7" / "report.html").read_text()
    assert all(sentence in report for sentence in told if sentence)


def test_the_same_submission_and_seed_give_the_same_gradesheet(together: Ran, example: Path, tmp_path: Path) -> None:
    """Alone or after others in a run, two gradings differ in nothing but their timings."""
    result = grader(example, "--no-training", "--output", tmp_path, "--seed", "1")
    assert result.returncode == 1, result.stderr
    assert "This is what comes out when" in result.stdout
    sheets = [sheet.model_dump(exclude={"timings"}) for sheet in (only_gradesheet(tmp_path), together.sheet("group_7"))]
    assert sheets[0] == sheets[1]
    assert sheets[0]["seed"] == 1


def test_several_submissions_are_graded_in_one_run(together: Ran) -> None:
    """Each gets its reports and a line; one that is refused keeps back none of the others; the worst code is told."""
    result = together.result
    assert result.returncode == 2
    assert "torn.zip: refused" in result.stderr
    assert {path.parent.name for path in together.output.glob("*/report.html")} == {"group_0", "group_7"}
    assert result.stdout.index("group_0:") < result.stdout.index("group_7:")
    assert result.stdout.count("start of the workers") == 2
    graded = result.stdout[: result.stdout.index("imported:")]
    assert max(map(len, graded.splitlines())) <= 80


def test_two_submissions_of_one_name_are_kept_apart(tmp_path: Path) -> None:
    """By the folders that they lie in; the same one twice is told before anything is graded."""
    first, second = tmp_path / "a" / "submission.zip", tmp_path / "b" / "submission.zip"
    assert [folder.name for folder in result_folders([first, second], tmp_path / "out")] == [
        "a_submission",
        "b_submission",
    ]
    with pytest.raises(UsageError, match="would both be reported"):
        result_folders([first, first], tmp_path / "out")


def test_what_does_not_exist_keeps_back_none_of_the_others(tmp_path: Path) -> None:
    """It is told, by the exit code, too; the others go on."""
    torn = tmp_path / "torn.zip"
    torn.write_bytes(b"no zip")
    result = grader(tmp_path / "nowhere.zip", torn, "--output", tmp_path / "out")
    assert result.returncode == 4
    told = "".join(result.stderr.split())
    assert "Leftout" in told
    assert "nowhere.zip" in told
    assert "torn.zip:refused" in told


def test_an_interrupted_grading_replaces_no_finished_one(tmp_path: Path) -> None:
    """What a whole grading has come to stays; an unfinished one may be replaced by anything."""
    whole, half = mixed(), interrupted()
    for before, after, kept in ((whole, half, whole), (half, whole, whole), (half, half, half)):
        write_reports(before, RUBRIC, tmp_path)
        tell_grading(after, RUBRIC, tmp_path, "tutor", alone=True, timings=False)
        assert load_gradesheet(tmp_path / "gradesheet.json").complete is kept.complete


def test_no_submission_is_a_usage_error() -> None:
    """Options alone grade nothing, and say so."""
    result = grader("--no-training")
    assert result.returncode == 4
    assert "Which submission?" in result.stderr


def copy_of_reference(target: Path) -> Path:
    """The reference in a folder that may be changed."""
    return Path(shutil.copytree(ROOT / "reference", target, ignore=shutil.ignore_patterns("__pycache__")))


def slow_metric(folder: Path, condition: str) -> Path:
    """A copy of the reference whose metric sleeps for a minute where a condition holds."""
    copy = copy_of_reference(folder / "group_9")
    metrics = copy / "dlvc" / "metrics.py"
    sleep = f"        if {condition}:\n            import time\n            time.sleep(60)\n"
    text = metrics.read_text()
    marker = '        for name, value in (("prediction", prediction), ("target", target)):\n'
    assert marker in text
    metrics.write_text(text.replace(marker, sleep + marker))
    return copy


def test_a_hand_in_of_the_published_handout_is_asked_what_that_one_asks(tmp_path: Path) -> None:
    """It is recognised, and checks of the other edition are left out."""
    (hand_in,) = (one for one in hand_ins() if one.name == "own_trainer_and_constants")
    result = grader("check", hand_in.make(tmp_path), "--only", "metrics", "--output", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    sheet = only_gradesheet(tmp_path / "out")
    assert sheet.submission.edition == "original"
    assert "metrics.rejects_non_tensors" not in {item.check for item in sheet.items}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("runs = 3", "has no runs"),
        ("[runs]\ncity = 'ls'", "city is no command line"),
        ("[runs", "cannot be read as TOML"),
        (None, "cannot be read as TOML"),
    ],
)
def test_runs_that_cannot_be_used_are_told(text: str | None, says: str, tmp_path: Path) -> None:
    """A file of named experiments is read before anything is graded."""
    path = tmp_path / "runs.toml"
    if text is not None:
        path.write_text(text)
    result = grader(ROOT / "student", "--runs", path, "--output", tmp_path / "out")
    assert result.returncode == 4
    assert says in " ".join(result.stderr.split())


@pytest.mark.nightly
def test_a_metric_that_needs_minutes_costs_only_its_own_points(tmp_path: Path) -> None:
    """A check that runs into a time limit fails with that reason; every other item is graded."""
    source = slow_metric(tmp_path, "getattr(prediction, 'shape', ())[-1:] == (192,)")
    result = grader(source, "--no-training", "--output", tmp_path / "out", "--call-seconds", "4")
    assert result.returncode == 1, result.stderr
    sheet = only_gradesheet(tmp_path / "out")
    (failed,) = [item for item in sheet.items if item.outcome.status is Status.FAILED]
    assert failed.check == "metrics.many_classes"
    assert "No answer within 4 s" in failed.outcome.finding.message
    assert sheet.points.earned == sheet.points.possible - failed.points.possible


def test_what_was_graded_before_an_interrupt_is_kept(tmp_path: Path) -> None:
    """Ctrl-C ends with code 130 and a gradesheet of the checks that had ended, the others unscored."""
    source = slow_metric(tmp_path, "getattr(prediction, 'shape', ())[-1:] == (192,)")
    command = [sys.executable, "-m", "grader", str(source), "--output", str(tmp_path / "out"), "--call-seconds", "50"]
    command += ["--check-seconds", "50"]
    with subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        wait_for_a_long_check(process.pid)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    sheet = only_gradesheet(tmp_path / "out")
    assert not sheet.complete
    passed, unscored = with_status(sheet, Status.PASSED), with_status(sheet, Status.UNSCORED)
    assert "metrics.perfect_prediction" in passed
    assert unscored[0] == "metrics.many_classes"
    assert len(passed) + len(unscored) == len(sheet.items)
    assert not psutil.Process().children(recursive=True)


def wait_for_a_long_check(pid: int) -> None:
    """Return once a forked child has used no processor for two seconds: the sleeping metric."""
    idle_since: dict[tuple[int, float], float] = {}
    give_up = time.monotonic() + 120
    while time.monotonic() < give_up:
        now = time.monotonic()
        idle_since = {child: idle_since.get(child, now) for child in forked_by_workers(pid)}
        if any(now - since > 2 for since in idle_since.values()):
            return
        time.sleep(0.1)
    pytest.fail("no check ran for long")


def forked_by_workers(pid: int) -> set[tuple[int, float]]:
    """The processes that the workers of a grader have forked, and the processor time that each has used."""
    used, parents = {}, {}
    for process in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # what ends while it is looked at does not count
            if process.name() != "bwrap":
                used[process.pid], parents[process.pid] = sum(process.cpu_times()[:2]), process.ppid()
    return {(child, used[child]) for child, parent in parents.items() if parent in used and is_worker(parent)}


def is_worker(pid: int) -> bool:
    """Whether a process is a zygote or a child of one."""
    try:
        return runs_worker(psutil.Process(pid).cmdline())
    except psutil.NoSuchProcess:
        return False


def zip_with(path: Path, names: dict[str, str]) -> Path:
    """A zip of text files."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in names.items():
            archive.writestr(name, text)
    return path


@pytest.mark.parametrize(
    ("make", "code", "says"),
    [
        pytest.param(lambda d: d / "group_77.zip", 4, "There is no file or folder", id="no such file"),
        pytest.param(lambda _: Path("chekc"), 4, "Did you mean 'check'?", id="a typo in a command"),
        pytest.param(lambda d: _text(d / "a.zip", "hello"), 2, "a.zip", id="not a zip"),
        pytest.param(lambda d: _text(d / "b.zip", ""), 2, "empty", id="an empty file"),
        pytest.param(lambda d: zip_with(d / "c.zip", {}), 2, "c.zip", id="a zip of nothing"),
        pytest.param(
            lambda d: zip_with(d / "d.zip", {f"{g}/dlvc/{f}": "" for g in "ab" for f in ("metrics.py", "trainer.py")}),
            2,
            "a/dlvc",
            id="two packages",
        ),
    ],
)
def test_bad_input_is_told_plainly(make: object, code: int, says: str, tmp_path: Path) -> None:
    """One message, no traceback, the documented exit code, and no results."""
    result = grader(make(tmp_path), "--no-training", "--output", tmp_path / "out")  # type: ignore[operator]
    assert result.returncode == code
    assert says in result.stderr.replace("\n", " ")
    assert "Traceback" not in result.stderr
    assert not list((tmp_path / "out").glob("*/*"))


def _text(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_an_output_folder_that_cannot_be_written_is_told_before_grading(example: Path, tmp_path: Path) -> None:
    """A file where the folder should be ends the run with code 4 at once."""
    blocked = _text(tmp_path / "blocked", "")
    result = grader(example, "--no-training", "--output", blocked / "results")
    assert result.returncode == 4
    assert "cannot be written to" in result.stderr.replace("\n", " ")


@pytest.mark.parametrize("arguments", [["--seed", "x", "y.zip"], ["--no-such-option"], ["check", "--seed"]])
def test_wrong_arguments_are_a_usage_error(arguments: list[str]) -> None:
    """What cannot be parsed ends with code 4 and points to the help."""
    result = grader(*arguments)
    assert result.returncode == 4
    assert "--help" in result.stderr


def test_no_arguments_show_the_help() -> None:
    """Called alone, the grader shows its commands and ends with the code of wrong usage."""
    result = grader()
    assert result.returncode == 4
    assert "check" in result.stderr
    assert "Exit codes" in result.stderr


def test_the_help_is_shown_on_request() -> None:
    """`--help` explains the commands and the exit codes, and is no error."""
    result = grader("--help")
    assert result.returncode == 0
    assert "pack" in result.stdout


def test_packing_leaves_out_what_does_not_belong(tmp_path: Path) -> None:
    """`pack` makes a zip with one folder of the group's name, without weights and data."""
    source = copy_of_reference(tmp_path / "mine")
    (source / "weights.pth").write_bytes(b"\x80" * 100)
    result = grader("pack", source, "--output", tmp_path / "group_3.zip")
    assert result.returncode == 0, result.stderr
    with zipfile.ZipFile(tmp_path / "group_3.zip") as archive:
        names = archive.namelist()
    assert "group_3/dlvc/metrics.py" in names
    assert not [name for name in names if name.endswith(".pth") or not name.startswith("group_3/")]
    assert "weights.pth" in result.stdout.replace("\n", " ")


def test_the_example_is_made_and_packed_by_a_command(tmp_path: Path) -> None:
    """`example` writes the folder and its zip: the solution without its markers, but for three files of the group."""
    result = grader("example", "--folder", tmp_path)
    assert result.returncode == 0, result.stderr
    reference = ROOT / "reference"
    expected = {p.relative_to(reference): handed_in(p.read_text()) for p in reference.rglob("*.py")}
    del expected[Path("__init__.py")]
    found = {p.relative_to(tmp_path / "group_7"): p.read_text() for p in tmp_path.rglob("*.py")}
    assert found.keys() == expected.keys()
    own = {"dlvc/metrics.py", "dlvc/models/mit_transformer.py", "dlvc/models/segformer_head.py"}
    assert {name.as_posix() for name in found if found[name] != expected[name]} == own
    with zipfile.ZipFile(tmp_path / "group_7.zip") as archive:
        packed = {name.removeprefix("group_7/") for name in archive.namelist()}
    assert packed == {name.as_posix() for name in found} | {"report.pdf"}
