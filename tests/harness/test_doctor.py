"""The doctor: a promise counts as kept only if an attack on it really ran and came to nothing."""

import json
from collections.abc import Iterator

import pytest
from rich.cells import cell_len
from rich.console import Console

from grader import doctor
from grader.commands import main
from grader.doctor import EXIT_CODES, Diagnosis, Verdict, bench, diagnose, promises
from grader.doctor.bench import Bench
from grader.doctor.findings import Proof, Tier, verdict
from grader.doctor.host import Host, advise, gpu_fact, look_at_host, room_facts
from grader.doctor.promises import PROMISES, Promise
from grader.doctor.show import print_diagnosis
from grader.errors import GraderFault
from grader.records import Isolation
from grader.sandbox import Limits
from grader.sandbox.tiers import why_unavailable
from tests.harness.hosts import CONFINING

BUBBLEWRAP, LANDLOCK = CONFINING
HOST = Host(
    linux=True,
    root=False,
    container=False,
    programs=frozenset({"bwrap", "setpriv"}),
    settings={},
    landlock_abi=7,
)
NOT_INSTALLED = "the program bwrap is not installed"


def ignore(_progress: str) -> None:
    """Watch nothing."""


@pytest.fixture
def some_tier() -> Isolation:
    """The tier that a grading takes here."""
    found = [tier for tier in CONFINING if why_unavailable(tier) is None]
    if not found:
        pytest.skip("no confining tier works here")
    return found[0]


@pytest.fixture(scope="module")
def diagnosis() -> Diagnosis:
    """This very host, examined; without what takes a worker seconds to import."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "PRELOAD", ())
        return diagnose(every_tier=False, progress=ignore)


@pytest.fixture(scope="module")
def unconfined() -> Iterator[Bench]:
    """A worker that nothing confines."""
    with Bench(Isolation.NONE, preload=()) as started:
        yield started


def printed(diagnosis: Diagnosis, capsys: pytest.CaptureFixture[str]) -> str:
    """The page on a terminal of 80 columns without colours."""
    print_diagnosis(diagnosis, Console(width=80))
    return capsys.readouterr().out


def test_every_promise_is_tried_on_this_host(diagnosis: Diagnosis, some_tier: Isolation) -> None:
    """The chosen tier has a proof for each promise, and none of them failed for a reason of its own."""
    assert diagnosis.chosen is some_tier
    proofs = next(tier for tier in diagnosis.tiers if tier.isolation is some_tier).proofs
    expected = [promise.title for promise in PROMISES if look_at_host().root or not promise.root_only]
    assert [proof.promise for proof in proofs] == expected
    assert not [proof for proof in proofs if "could not be tried" in proof.seen]
    assert all((proof.advice is None) is proof.holds for proof in proofs)


def test_the_core_of_the_isolation_holds_on_this_host(diagnosis: Diagnosis, some_tier: Isolation) -> None:
    """Files, network, processes, time and memory are kept, whatever else this host may lack."""
    proofs = next(tier for tier in diagnosis.tiers if tier.isolation is some_tier).proofs
    core = {"reads nothing outside", "writes nothing outside", "no network", "no other processes", "time", "memory"}
    assert core <= {proof.promise for proof in proofs if proof.holds}


def test_the_page_is_readable_at_80_columns(diagnosis: Diagnosis, capsys: pytest.CaptureFixture[str]) -> None:
    """No line is wider, every promise is on it, and there is no colour where there is no terminal."""
    text = printed(diagnosis, capsys)
    assert max(map(cell_len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert all(proof.promise in text for tier in diagnosis.tiers for proof in tier.proofs)


def test_json_says_the_same(
    diagnosis: Diagnosis, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--json` prints nothing but the record, and the exit code is the verdict's."""
    monkeypatch.setattr(doctor, "diagnose", lambda **_: diagnosis)
    code = main(["doctor", "--json"])
    text = capsys.readouterr().out
    assert Diagnosis.model_validate_json(text) == diagnosis
    assert json.loads(text)["doctor_version"] == "1"
    assert code == EXIT_CODES[diagnosis.verdict]


@pytest.mark.parametrize(
    "title",
    ["reads nothing outside", "writes nothing outside", "no network", "no local services", "no risky system calls"],
)
def test_the_attacks_are_real(unconfined: Bench, title: str) -> None:
    """Without isolation the same attacks succeed, so their failure elsewhere is the isolation's work."""
    (promise,) = [promise for promise in PROMISES if promise.title == title]
    proof = promise.prove(unconfined)
    assert not proof.holds
    assert "could not be tried" not in proof.seen
    assert proof.advice


def test_an_attack_that_fails_by_itself_proves_nothing(unconfined: Bench) -> None:
    """A probe that raises counts as a broken promise and says so."""
    broken = Promise("a promise", "this", "that", lambda worker: (True, worker.ask(broken_attack).log))
    proof = broken.prove(unconfined)
    assert not proof.holds
    assert "could not be tried: NameError" in proof.seen


def broken_attack() -> None:
    """Is not among the attacks that the worker knows."""


@pytest.mark.usefixtures("some_tier")
def test_a_broken_promise_is_reported(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that can be read though it should not: its line fails, something to do is said, the exit code is 1."""
    monkeypatch.setattr(promises, "SECRETS", ("/usr/bin/env",))
    monkeypatch.setattr(promises, "PROMISES", PROMISES[:1])
    monkeypatch.setattr(bench, "PRELOAD", ())
    assert main(["doctor"]) == 1
    text = " ".join(capsys.readouterr().out.split())
    assert "✗ /usr/bin/env was read" in text
    assert "0 of 1 promises kept" in text
    assert "What to do ✗ reads nothing outside:" in text


def test_no_tier_at_all_means_own_folders_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing confines, the exit code is 3 and the page says what to install."""
    monkeypatch.setattr(doctor, "why_unavailable", lambda _tier: NOT_INSTALLED)
    monkeypatch.setattr(
        doctor, "look_at_host", lambda: Host(True, False, False, frozenset(), {}, landlock_abi=0, landlock_errno=38)
    )
    assert main(["doctor"]) == 3
    text = " ".join(capsys.readouterr().out.split())
    assert f"✗ bubblewrap does not work: {NOT_INSTALLED}" in text
    assert "apt-get install bubblewrap" in text
    assert "Linux 5.13" in text
    assert "Only folders of your own" in text


@pytest.mark.usefixtures("some_tier")
def test_a_worker_that_does_not_start_is_no_working_tier(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tier that seems to work but starts no worker is told as not working, with the reason."""

    def fail(_bench: Bench) -> None:
        raise GraderFault("The doctor's worker did not start: Traceback\nImportError: no torch")

    monkeypatch.setattr(Bench, "__enter__", fail)
    found = diagnose(every_tier=True, progress=ignore)
    assert found.verdict is Verdict.OWN_ONLY
    assert "ImportError: no torch" in {tier.problem for tier in found.tiers}


@pytest.mark.parametrize(
    ("tier", "facts", "says"),
    [
        (BUBBLEWRAP, {"programs": frozenset()}, "apt-get install bubblewrap"),
        (BUBBLEWRAP, {"settings": {"user.max_user_namespaces": 0}}, "sysctl user.max_user_namespaces="),
        (BUBBLEWRAP, {"settings": {"kernel.unprivileged_userns_clone": 0}}, "kernel.unprivileged_userns_clone=1"),
        (BUBBLEWRAP, {"settings": {"kernel.apparmor_restrict_unprivileged_userns": 1}}, "AppArmor"),
        (BUBBLEWRAP, {"container": True}, "--security-opt seccomp=unconfined"),
        (BUBBLEWRAP, {"root": True, "programs": frozenset({"bwrap"})}, "apt-get install util-linux"),
        (BUBBLEWRAP, {}, "bwrap --ro-bind"),
        (LANDLOCK, {"landlock_abi": 0, "landlock_errno": 38}, "Linux 5.13"),
        (LANDLOCK, {"landlock_abi": 0, "landlock_errno": 95}, "lsm="),
        (LANDLOCK, {}, "pyseccomp"),
        (LANDLOCK, {"linux": False}, "on Linux"),
    ],
)
def test_advice_fits_the_reason(tier: Isolation, facts: dict[str, object], says: str) -> None:
    """What to install or to enable follows from what the host lacks."""
    host = Host(**{**vars(HOST), **facts})
    assert any(says in line for line in advise(tier, host))


def test_settings_that_do_not_bind_root_are_not_blamed() -> None:
    """Root makes namespaces whatever the settings for users are."""
    host = Host(**{**vars(HOST), "root": True, "settings": {"kernel.unprivileged_userns_clone": 0}})
    assert not any("userns" in line for line in advise(BUBBLEWRAP, host))


def test_the_verdict_is_the_weakest_of_what_was_tried() -> None:
    """One broken promise of any tier that was tried is enough; an untried tier says nothing."""
    kept = Proof(promise="a", enforced_by="b", holds=True, seen="c")
    broken = kept.model_copy(update={"holds": False})
    good = Tier(isolation=BUBBLEWRAP, problem=None, proofs=(kept,))
    bad = Tier(isolation=LANDLOCK, problem=None, proofs=(kept, broken))
    untried = bad.model_copy(update={"proofs": ()})
    assert verdict(BUBBLEWRAP, (good, untried)) is Verdict.STRANGERS
    assert verdict(BUBBLEWRAP, (good, bad)) is Verdict.WEAKER
    assert verdict(None, (untried,)) is Verdict.OWN_ONLY


def test_too_little_room_is_warned_of() -> None:
    """Limits that this host cannot give come with what to do."""
    greedy = room_facts(Limits(memory_mib=1 << 30, file_mib=1 << 40))
    assert {fact.name.split()[0] for fact in greedy if fact.warning} >= {"memory", "free"}
    assert all(fact.warning is None for fact in room_facts(Limits(memory_mib=1, file_mib=1)) if fact.name != "cores")


def test_a_gpu_says_what_it_means() -> None:
    """A GPU that workers do not see is told apart from none, and from one that they do."""
    seen = [gpu_fact(visible=False, listed=()), gpu_fact(visible=False, listed=("GPU 0: H200",))]
    seen.append(gpu_fact(visible=True, listed=("GPU 0: H200",)))
    assert len({fact.value for fact in seen}) == 3
    assert "hidden from workers" in seen[1].value
