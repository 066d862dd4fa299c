"""The figures on the verdicts: kept as they were measured, and on the page as they are kept."""

import multiprocessing
import os

import pytest

from tests.harness.bench import RUBRIC
from tests.submissions.planted import right_submissions
from tests.verdicts import benches, page
from tests.verdicts.flakes import PACKED, cases
from tests.verdicts.results import kept


def test_page_shows_what_is_kept():
    """`docs/verdicts.md` is what `python -m tests.verdicts page` writes: nobody edits it, and it is never behind."""
    assert page.PAGE.read_text(encoding="utf-8") == page.text()


def test_page_without_figures(monkeypatch):
    """What was never measured is left out of the page."""
    monkeypatch.setattr(page, "kept", lambda _: None)
    assert "of" not in page.text().partition("| --- | --- | --- |")[2]


@pytest.mark.parametrize("part", sorted({check.part for check in RUBRIC.checks}))
def test_every_correct_solution_is_graded_with_many_seeds(part):
    """Those that change a part's files take part with every seed, those that change the packing with some."""
    seeds = {}
    for case in cases(part, range(2 * PACKED)):
        seeds.setdefault(case.planted.name, []).append(case.seed)
    assert seeds["reference"] == list(range(2 * PACKED))
    whole = {planted.name for planted in right_submissions() if not planted.parts}
    assert whole <= seeds.keys()
    assert {tuple(seeds[name]) for name in whole} <= {(0, PACKED), tuple(range(2 * PACKED))}


HOLDS = {
    "mistakes": lambda kept: (
        kept["caught"] == kept["mistakes"] and not kept["misnamed"] and kept["named"] >= 0.9 * kept["mistakes"]
    ),
    "mutants": lambda kept: kept["survived"] == 0,
    "flakes": lambda kept: not any(part["flakes"] for part in kept["parts"].values()),
}


@pytest.mark.parametrize("name", HOLDS)
def test_no_verdict_was_wrong(name):
    """The kept figures hold what the page promises."""
    figures = kept(name)
    assert figures is None or HOLDS[name](figures)


def square(_bench, number):
    """Some work."""
    return number * number


def give_up(_bench, _number):
    """Work that ends its process."""
    os._exit(3)


@pytest.fixture
def no_bench(monkeypatch):
    """Processes that need no workers; they are forked, so that they know of it."""
    monkeypatch.setattr(benches, "open_bench", lambda: open(os.devnull))  # noqa: PTH123, SIM115 - some context
    monkeypatch.setattr(multiprocessing, "get_context", lambda _: _FORK)


_FORK = multiprocessing.get_context("fork")


@pytest.mark.usefixtures("no_bench")
def test_work_is_done_for_each_item():
    """Each item comes back with what was made of it."""
    assert dict(benches.on_benches(square, range(5), processes=2)) == {0: 0, 1: 1, 2: 4, 3: 9, 4: 16}


@pytest.mark.usefixtures("no_bench")
def test_end_of_a_process_is_told():
    """A process that dies does not leave us waiting."""
    with pytest.raises(benches.BenchFailed):
        list(benches.on_benches(give_up, range(2), processes=1))
