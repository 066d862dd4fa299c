"""The hostile submissions judge the harness: each gets the verdict that stands beside it, and leaves nothing behind."""

import html
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from grader.pipeline import Options, Watcher, grade
from grader.records import Isolation, Outcome, Status
from grader.reports import load_gradesheet, print_gradesheet, write_reports
from grader.sandbox import Limits, Worker, work_folder
from tests.harness.bench import RUBRIC, Bench, Graded
from tests.harness.handin import STUDENT
from tests.harness.hosts import CONFINING, require
from tests.submissions.hostile.archives import ARCHIVES
from tests.submissions.hostile.cases import CHECKS, Case, Verdict, in_update
from tests.submissions.hostile.forging import BY_HEART, FORGERIES, Forgery
from tests.submissions.hostile.host import HOST
from tests.submissions.hostile.importing import IMPORT
from tests.submissions.hostile.odd import HONEST
from tests.submissions.hostile.running import RUN
from tests.submissions.hostile.tampering import TAMPERING
from tests.submissions.hostile.trickery import TRICKERY
from tests.submissions.planted import REFERENCE

LIMITS = Limits(call_seconds=20, check_seconds=20, memory_mib=700, processes=64, file_mib=64, log_kib=16)
MARK = f"hostile-{os.getpid()}"
TABLE = (*HONEST, *IMPORT, *RUN, *TAMPERING, *HOST, *TRICKERY)

# One check for each kind of answer, none of which requires another one.
FORGED = (
    *CHECKS,
    "metrics.reset",
    "segformer.block_output",
    "segformer.patch_embed_output",
    "segformer.head_output",
    "segformer.layout",
    "segformer.checkpoint",
    "handin.report_is_pdf",
)

# The scripts of Parts 4 and 6 need more memory and larger files than these limits allow.
SMALL = [check.id for check in RUBRIC.checks if check.part not in ("fcn", "pretraining")]

Benches = Callable[[Isolation], Bench]


@pytest.fixture(scope="module")
def benches() -> Iterator[Benches]:
    """The two workers of a tier, started when they are first asked for."""
    started: dict[Isolation, Bench] = {}
    with ExitStack() as stack:

        def get(tier: Isolation) -> Bench:
            if tier not in started:
                require(tier)
                started[tier] = Bench(stack.enter_context(work_folder()), stack, tier, LIMITS, ("pypdf",))
            return started[tier]

        yield get


def each_forgery(forgeries: tuple[Forgery, ...]) -> pytest.MarkDecorator:
    """One test for each forgery."""
    return pytest.mark.parametrize("forgery", [pytest.param(forgery, id=forgery.name) for forgery in forgeries])


def each_on_its_tiers() -> pytest.MarkDecorator:
    """One test for each case and tier, one tier after the other; bubblewrap's by whom it is there for."""
    cases = [(tier, case) for tier in CONFINING for case in TABLE if tier in case.tiers]
    users = {Isolation.BUBBLEWRAP: (pytest.mark.ordinary_user,)}
    parameters = [
        pytest.param(tier, case, id=f"{tier.value}-{case.name}", marks=users.get(tier, ())) for tier, case in cases
    ]
    return pytest.mark.parametrize(("tier", "case"), parameters)


@each_on_its_tiers()
def test_verdict(benches: Benches, tier: Isolation, case: Case, tmp_path: Path) -> None:
    """Each case fails exactly the checks that it has to, says why, raises its flags, and leaves nothing behind."""
    bench = benches(tier)
    graded = bench.grade(case.make(tmp_path, MARK), case.checks, case.seconds)
    problems = [*differences(graded, case), *bench.remains(), *marked()]
    assert not problems, "\n".join(problems)


def differences(graded: Graded, case: Case) -> Iterator[str]:
    """Say where the outcomes are not the expected ones."""
    for name, outcome in graded.outcomes.items():
        expected = Status.FAILED if name in case.fails else Status.PASSED
        expected = Status.UNSCORED if name in case.unscored else expected
        silent = expected is not Status.PASSED and case.says not in told(outcome)
        if outcome.status is not expected or outcome.fault or silent:
            yield f"{name}: {outcome.status.value}, expected {expected.value} {case.says!r}\n{told(outcome)}"
    kinds = {flag.kind for flag in graded.flags}
    if not case.flags <= kinds or (kinds - case.flags and not case.tampers):
        yield f"flags {sorted(kinds)}, expected {sorted(case.flags)}: {graded.flags}"


def told(outcome: Outcome) -> str:
    """What the student reads."""
    shown = outcome.finding.model_dump(exclude_none=True, exclude={"hint"})
    return "\n".join(f"    {name}: {text}" for name, text in shown.items())


def marked() -> list[str]:
    """Processes of a hostile submission that are still running, wherever they are."""
    found = psutil.process_iter(["cmdline", "status"])
    return [f"still running: {p}" for p in found if any(MARK in word for word in p.info["cmdline"] or ())]


@pytest.mark.parametrize(
    "tier", [pytest.param(Isolation.BUBBLEWRAP, marks=pytest.mark.ordinary_user), Isolation.LANDLOCK]
)
def test_the_next_one_is_not_touched(benches: Benches, tier: Isolation) -> None:
    """After all hostile submissions the same workers give the solution full points, with no flag."""
    graded = benches(tier).grade(REFERENCE, SMALL)
    assert [name for name, outcome in graded.outcomes.items() if outcome.status is not Status.PASSED] == []
    assert graded.flags == ()


@pytest.fixture(scope="module")
def honest_twin(benches: Benches) -> Graded:
    """The starter, which solves nothing."""
    return benches(CONFINING[0]).grade(STUDENT, FORGED)


def forged(benches: Benches, forgery: Forgery, folder: Path) -> Graded:
    """The starter with a forgery."""
    twin = Case("starter", "", Verdict.GRADED)
    source = twin.make(folder, MARK, STUDENT)
    forgery.add_to(source)
    return benches(CONFINING[0]).grade(source, FORGED)


@each_forgery(FORGERIES)
def test_claims_of_success_earn_nothing(
    benches: Benches, honest_twin: Graded, forgery: Forgery, tmp_path: Path
) -> None:
    """A submission that forges answers earns no point more than its honest twin, nor leaves points open by it."""
    found = forged(benches, forgery, tmp_path)
    gained = [
        f"{name}: {outcome.status.value}\n{told(outcome)}"
        for name, outcome in found.outcomes.items()
        if outcome.score > honest_twin.outcomes[name].score or outcome.fault
    ]
    assert not gained, "\n".join(gained)
    assert found.points.earned <= honest_twin.points.earned


@each_forgery(BY_HEART)
def test_answers_by_heart_earn_nothing(benches: Benches, honest_twin: Graded, forgery: Forgery, tmp_path: Path) -> None:
    """A check's right answer cannot be known without solving the task."""
    found = forged(benches, forgery, tmp_path)
    gained = [name for name, outcome in found.outcomes.items() if outcome.score > honest_twin.outcomes[name].score]
    assert not gained


@pytest.mark.parametrize("tier", CONFINING)
@pytest.mark.parametrize("package", ["torchvision", "matplotlib.pyplot"])
def test_a_worker_starts_with_heavy_packages(tier: Isolation, package: str, tmp_path: Path) -> None:
    """What a submission imports anyway can be imported before its checks, on every tier."""
    require(tier)
    with Worker("submission", tmp_path, tier, LIMITS, preload=(package,)) as worker:
        assert worker.wait_ready()["torch"]


def test_table_holds_together() -> None:
    """Names are unique, and what is expected of a case fits its verdict."""
    assert [name for name, count in Counter(case.name for case in TABLE).items() if count > 1] == []
    for case in TABLE:
        assert case.fails <= set(case.checks), case.name
        assert set(CHECKS[-2:]) <= set(case.checks), f"{case.name}: another check has to be scored"
        if case.verdict in (Verdict.FAILED, Verdict.KILLED):
            assert case.fails, case.name
        else:
            assert not case.fails, case.name
            assert bool(case.unscored) == (case.verdict is Verdict.OPEN), case.name
            assert bool(case.flags) == (case.verdict is Verdict.FLAGGED), case.name


def test_there_are_many() -> None:
    """The catalogue is covered by far more than ninety cases."""
    assert len(TABLE) + len(ARCHIVES) + len(FORGERIES) > 250


ACTING = "\\x1b[2J\\x1b]0;title\\x07\\u202e\\ud800<script>alert(1)</script>[red]]]>"


def test_reports_show_words_and_do_not_act(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a submission raises and prints is shown in every report, and does nothing to a terminal or a page."""
    code = in_update(f"print('{ACTING}'); raise ValueError('{ACTING}')")
    source = Case("words", "", Verdict.FAILED, code).make(tmp_path, MARK)
    sheet = grade(source, Options(seed=1, limits=LIMITS, parts=("metrics",)), Watcher())
    files = write_reports(sheet, RUBRIC, tmp_path / "reports")
    print_gradesheet(sheet, RUBRIC, Console(), reports=files, audience="tutor")
    texts = [capsys.readouterr().out, *(path.read_text(encoding="utf-8") for path in files.values())]
    assert load_gradesheet(files["gradesheet"]).points.earned < sheet.points.possible
    for text in texts:
        assert "alert(1)" in html.unescape(text)
        assert not [acts for acts in ("\x1b[2J", "\x1b]0", "\x07", "\u202e", "\ud800") if acts in text]
    for name in ("report", "notebook"):
        assert "<script>alert" not in files[name].read_text(encoding="utf-8")
