"""Asks known mistakes what a submission was asked, and names the one that answers alike."""

import shutil
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import cached_property, partial
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from grader.checking import Call, Subject, TrustedSubject
from grader.checking.asking import digest_of
from grader.files import MISTAKES
from grader.naming.mistakes import Mistake, apply_patch, load_mistakes
from grader.naming.signature import Fields, Likeness, TooMuch, fields
from grader.records import Outcome, Status
from grader.sandbox import CallError, Worker, WorkerLost

# Of the calls of a check, which may be hundreds where Hypothesis looked for the smallest example.
FIRST_CALLS, LAST_CALLS = 10, 30
# How much of where a mistake shows has to be alike. A mistake in a training shows in everything that comes later, and a
# mean over batches where the handout's is over samples, which is right too, shows in one of these fields.
ENOUGH = 0.75
# Mistakes that are tried on one submission; each takes a fork or, in Parts 4 and 6, a run of a script.
MOST_TRIED = 60
# Values of mistakes' answers that are kept for later submissions of a run, which are asked the same.
MOST_KEPT = 2_000_000


class Told(NamedTuple):
    """A call of a failed check, its digest, and the fields of the submission's answer and of the solution's."""

    call: Call
    digest: bytes
    theirs: Fields
    right: Fields


class Explanation(NamedTuple):
    """A mistake that answers like a submission, and how much of where it shows is alike."""

    mistake: Mistake
    share: float


class Recogniser:
    """Finds the known mistake that gives a submission's very output.

    Args:
        reference: where the solution runs; its spare folder is for the solution with a mistake.
        answers: what the solution has answered so far.
        folder: where the patches are, and the list of them.
    """

    def __init__(self, reference: Worker, answers: dict[bytes, Any], folder: Path = MISTAKES) -> None:
        self._folder = folder
        self._reference = reference
        self._answers = answers
        self._mistaken: dict[tuple[str, bytes], Fields] = {}
        self._kept = 0

    @cached_property
    def _mistakes(self) -> list[Mistake]:
        """Those with a patch: what is missing from a hand-in is told anyway."""
        return [mistake for mistake in load_mistakes(self._folder) if self._patch(mistake).exists()]

    @cached_property
    def _tree(self) -> Path:
        """The spare folder, with a copy of the solution in it."""
        assert self._reference.spare is not None
        shutil.copytree(self._reference.tree, self._reference.spare, dirs_exist_ok=True)
        return self._reference.spare

    def names(self, outcomes: Mapping[str, Outcome], calls: Mapping[str, Sequence[Call]]) -> dict[str, Mistake]:
        """Find the mistakes behind failed checks.

        Args:
            outcomes: of all checks, by id.
            calls: what the submission was asked and answered in the failed checks.

        Returns:
            The mistake by the id of each check that it explains; none where several would, or none does.
        """
        return chosen(self.explaining(outcomes, calls), _failed(outcomes, calls))

    def explaining(self, outcomes: Mapping[str, Outcome], calls: Mapping[str, Sequence[Call]]) -> list[Explanation]:
        """All mistakes that answer like the submission; arguments as of `names`."""
        failed = _failed(outcomes, calls)
        tried = _where_there_are_answers(self._candidates(outcomes, failed), calls)[:MOST_TRIED]
        wanted = failed & {check for mistake in tried for check in mistake.fails}
        said: dict[str, Sequence[Told]] = {}
        for check in wanted:
            like = next((other for other in said if _same(calls[other], calls[check])), None)
            if told := said[like] if like else self._told(calls[check]):
                said[check] = told
        found = [Explanation(mistake, self._share(mistake, said)) for mistake in tried]
        return [one for one in found if one.share >= ENOUGH]

    def _patch(self, mistake: Mistake) -> Path:
        return self._folder / f"{mistake.name}.patch"

    def _candidates(self, outcomes: Mapping[str, Outcome], answered: set[str]) -> list[Mistake]:
        """The mistakes that fail nothing but what did not pass, and at least one check that failed."""
        passed = {name for name, outcome in outcomes.items() if outcome.status is Status.PASSED or outcome.not_started}
        judged = outcomes.keys() - passed
        return [one for one in self._mistakes if judged >= set(one.fails) and not answered.isdisjoint(one.fails)]

    def _told(self, calls: Sequence[Call]) -> list[Told]:
        """The first and the last calls of a check with the fields of their answers; none if those are too many."""
        some = calls if len(calls) <= FIRST_CALLS + LAST_CALLS else [*calls[:FIRST_CALLS], *calls[-LAST_CALLS:]]
        try:
            theirs = [fields(call.answer) for call in some]
        except TooMuch:
            return []
        solution = partial(TrustedSubject, self._reference, answers=self._answers)
        right = _asked(solution, TrustedSubject.ask, some)
        digests = (digest_of(call.probe, call.seed, call.arguments) for call in some)
        return [Told(*told) for told in zip(some, digests, theirs, map(fields, right), strict=True)]

    def _share(self, mistake: Mistake, said: Mapping[str, Sequence[Told]]) -> float:
        """How much of where a mistake shows is in a submission's answers, in the least like check that both fail.

        What several checks share is asked once.
        """
        checks = said.keys() & set(mistake.fails)
        share = 1.0 if checks else 0.0
        for told in {id(told): told for told in map(said.__getitem__, checks)}.values():
            share = min(share, self._share_of_check(mistake, told))
            if share < ENOUGH:
                break
        return share

    def _share_of_check(self, mistake: Mistake, told: Sequence[Told]) -> float:
        likeness = Likeness()
        with closing(self._mistaken_fields(mistake, told)) as mistaken:
            for one, wrong in zip(told, mistaken, strict=True):
                if not likeness.add(one.theirs, wrong, one.right):
                    return 0.0
        return likeness.share

    def _mistaken_fields(self, mistake: Mistake, told: Sequence[Told]) -> Generator[Fields, None, None]:
        """What a mistake answers to each call; it is asked from the first one on that it was never asked before."""
        keys = [(mistake.name, one.digest) for one in told]
        known = next((number for number, key in enumerate(keys) if key not in self._mistaken), len(keys))
        yield from [self._mistaken[key] for key in keys[:known]]
        if known == len(keys):
            return
        with self._applied(mistake):
            asked = partial(Subject, self._reference, spare=True)
            answers = _asked(asked, Subject.attempt, [one.call for one in told[known:]])
            for key, answer in zip(keys[known:], answers, strict=True):
                found = fields(answer)
                self._keep(key, found)
                yield found

    def _keep(self, key: tuple[str, bytes], found: Fields) -> None:
        values = sum(value.size if isinstance(value, np.ndarray) else 1 for field in found.values() for value in field)
        if self._kept + values <= MOST_KEPT:
            self._kept += values
            self._mistaken[key] = found

    @contextmanager
    def _applied(self, mistake: Mistake) -> Iterator[None]:
        """Have the spare folder hold the solution with a mistake for a while."""
        changed = apply_patch(self._patch(mistake), self._tree)
        try:
            yield
        finally:
            for file in changed:
                shutil.copy2(self._reference.tree / file, self._tree / file)


def _where_there_are_answers(candidates: Sequence[Mistake], calls: Mapping[str, Sequence[Call]]) -> list[Mistake]:
    """The mistakes of checks that were answered first, of each part in turn; then those of checks that broke off."""

    def answered(mistake: Mistake) -> bool:
        told = [call.answer for check in mistake.fails for call in calls.get(check, ())]
        return any(not isinstance(answer, CallError) for answer in told)

    turns: Counter[tuple[bool, str]] = Counter()
    places = []
    for mistake in candidates:
        turn = (answered(mistake), min(mistake.fails).partition(".")[0])
        places.append((not turn[0], turns[turn]))
        turns[turn] += 1
    return [mistake for _, mistake in sorted(zip(places, candidates, strict=True), key=lambda pair: pair[0])]


def _same(some: Sequence[Call], others: Sequence[Call]) -> bool:
    """Whether two checks judged the very same calls, not only equal ones."""
    return len(some) == len(others) and all(one is other for one, other in zip(some, others, strict=True))


def _asked(
    make: Callable[..., Subject], ask: Callable[[Any, str, dict[str, Any]], Any], calls: Iterable[Call]
) -> Iterator[Any]:
    """What another subject, one for each seed, answers to each call; None where its process was lost."""
    for seed, group in groupby(calls, key=lambda call: call.seed):
        with closing(make(seed=seed)) as subject:
            subject.allow(subject.limits.script_seconds)
            for call in group:
                try:
                    yield ask(subject, call.probe, call.arguments)
                except WorkerLost:
                    yield None


def chosen(explaining: Iterable[Explanation], failed: Iterable[str]) -> dict[str, Mistake]:
    """The mistake that a failed check is told of: the one that explains the most failures, and those best.

    Where several do it equally well and say different things, nobody can tell, and there is none.
    """
    choice = {}
    for check in failed:
        of_check = [one for one in explaining if check in one.mistake.fails]
        most = max((_rank(one) for one in of_check), default=None)
        best = [one.mistake for one in of_check if _rank(one) == most]
        if len({mistake.what for mistake in best}) == 1:
            choice[check] = best[0]
    return choice


def _failed(outcomes: Mapping[str, Outcome], calls: Mapping[str, Sequence[Call]]) -> set[str]:
    """The checks whose answers were kept and that failed in the end: some are left open after all."""
    return {check for check in calls if outcomes[check].status is Status.FAILED and calls[check]}


def _rank(one: Explanation) -> tuple[int, float]:
    return len(one.mistake.fails), one.share
