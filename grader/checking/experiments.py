"""The handout's experiments in scripts that have no interface: what was run, and which training is which.

A script is run as it stands; then as its authors say that it is run, with other options of its own parser, with other
values of what it sets in code, and with other calls, until each experiment has been seen. What a run turned out to be
is told by what it did. Nobody is failed for an experiment that was never seen.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from grader.answers.script_form import Observed, Run
from grader.checking.asking import Subject
from grader.checking.failing import CheckFailed, NotScored, as_check_failed, fail
from grader.checking.script_data import PET_ROOT, STREET_ROOT, pets, streets
from grader.checking.script_runs import GRACE_SECONDS, SAID, Made
from grader.checking.seen import FREEZING, KINDS, Seen, in_words
from grader.checking.variations import Variation, documented, pairs, scripts_of, single_changes
from grader.records import ScriptRun
from grader.sandbox import CallError, Limits, WorkerLost
from grader.worker.names import GUESSED

PROBE = "behaviour_run"
MOST_VARIATIONS = 24
# Times the limit of a script: whoever hangs everywhere does not do so for ever.
SEARCH_SHARE = 4
THREADS = 2
# Of the time of a call, after which a script is ended from inside, so that what it did until then is told.
SHARE = 0.8
# Of a script's time, for one that has been run as it stands.
VARIATION_SHARE = 0.4
LISTED = 6
DATA = {"pets": PET_ROOT, "streets": STREET_ROOT}
# What a smoke training of each network repeats: from scratch, on the pets.
FROM_SCRATCH = {"fcn": "scratch", "segformer": "pets"}
GOALS = {"fcn": ("scratch", "backbone"), "segformer": ("city", "tuned", "frozen")}


class Way(NamedTuple):
    """How a training of some kind comes about."""

    variation: Variation
    kind: str


@dataclass
class Experiments:
    """The trainings of a hand-in, looked for when the first check asks.

    Args:
        files: paths in the hand-in.
        named: command lines that a tutor has named, which are run first.
        ways: by network, how it is trained from scratch, as far as that is known.
    """

    files: Sequence[str]
    named: Sequence[str] = ()
    ways: dict[str, Way] = field(default_factory=dict)
    runs: list[ScriptRun] = field(default_factory=list)
    _seen: list[Seen] = field(default_factory=list)
    _broken: list[tuple[Variation, CallError]] = field(default_factory=list)
    _left: dict[str, np.ndarray] = field(default_factory=dict)
    _guessed: list[Variation] = field(default_factory=list)
    _lost: set[str] = field(default_factory=set)
    _slow: set[str] = field(default_factory=set)
    _searched: bool = False
    _limits: Limits = field(default_factory=Limits)
    _ends: float = math.inf
    _could_run: Callable[[CallError], None] | None = None

    def search(self, student: Subject, rng: np.random.Generator) -> None:
        """Run scripts until each experiment has been seen, or nothing is left to be tried; once."""
        if self._searched or self.ways:
            return
        self._searched, self._limits = True, student.limits
        self._could_run = student.raise_unless_it_could_run
        self._ends = time.monotonic() + SEARCH_SHARE * self._limits.script_seconds
        data, seed = pets(rng) | streets(rng), int(rng.integers(1 << 31))
        offers: dict[str, Observed] = {}
        for variation in self._as_they_stand():
            if self._goes_on() and (observed := self._run(student, variation, data, seed)) is not None:
                offers.setdefault(variation.script, observed)
        self._run_again(student, data, seed)
        left, tried = MOST_VARIATIONS, {run.command for run in self.runs}
        for variation in self._variations(offers):
            if not left or not self._goes_on():
                break
            if variation.line in tried or variation.script in self._lost or not self._serves(variation.script):
                continue
            tried.add(variation.line)
            left -= 1
            # Who was to freeze, and did not, looks like who was not to.
            known = () if variation.speaks_of(FREEZING) else tuple(sorted(self._known()))
            self._run(student, variation, data, seed, known)
            self._run_again(student, data, seed)
        for network, kind in FROM_SCRATCH.items():
            for seen in self._of(kind)[:1]:
                self.ways[network] = Way(seen.variation, seen.training.kind)

    def train(self, student: Subject, network: str, files: dict[str, Any], seed: int, **settings: int) -> Made:
        """Train a network from scratch on other data, as the script does it that was seen to.

        Args:
            student: whose script it is.
            network: `fcn` or `segformer`.
            files: pets, by relative path.
            seed: of weights that are served or loaded.
            settings: `epochs` and `batch_size`.

        Raises:
            NotScored: it was not seen, or does not do the same again.
        """
        way = self.ways.get(network)
        if way is None:
            raise NotScored(self.unseen())
        student.begin_again()
        student.allow(student.limits.smoke_seconds + GRACE_SECONDS)
        seconds = student.limits.call_seconds - GRACE_SECONDS
        longer = {"seconds": seconds, "threads": THREADS, "keep": way.kind, **settings}
        answer = student.attempt(PROBE, self._call(student, way.variation, files, seed) | {"settings": longer})
        if isinstance(answer, CallError):
            raise as_check_failed(answer, student.limits)
        for number, training in enumerate(answer.run.trainings):
            if training.kind == way.kind:
                said = student.log.strip()[-SAID:]
                return Seen(answer.run, number, way.variation, said, student.limits, files).made()
        raise NotScored(
            f"{way.variation.line} does not train the same again, so nobody can tell. {_ending(answer.run)}."
        )

    def _call(self, student: Subject, variation: Variation, files: dict[str, Any], seed: int) -> dict[str, Any]:
        """The arguments of the probe for a run of a few epochs."""
        return {
            "variation": variation.told(),
            "files": files | self._left,
            "data": DATA,
            "seed": seed,
            "known": [],
            "settings": {"seconds": student.limits.call_seconds * SHARE, "threads": THREADS},
        }

    def _run_again(self, student: Subject, data: dict[str, Any], seed: int) -> None:
        """Run once more what started from a file that was guessed, now that the hand-in's own is known."""
        if not self._left:
            return
        guessed, self._guessed = self._guessed, []
        for variation in guessed:
            self._seen = [seen for seen in self._seen if seen.variation != variation]
            self._broken = [(broken, error) for broken, error in self._broken if broken != variation]
            self._run(student, variation, data, seed)

    def _as_they_stand(self) -> Iterator[Variation]:
        yield from (Variation.of_line(line) for line in self.named)
        for script in scripts_of(self.files):
            yield Variation(script)

    def _variations(self, offers: dict[str, Observed]) -> Iterator[Variation]:
        """How the authors say that a script is run; one change after another; then two at once.

        Of two, one is a change that led to a training. What was tried last came closest: fine-tuning before freezing.
        """
        for script, observed in offers.items():
            yield from documented(script, observed)
        useful: dict[str, list[Variation]] = {}
        singles = {script: list(single_changes(script, observed, self.files)) for script, observed in offers.items()}
        for script, changes in singles.items():
            for variation in changes:
                before = len(self._seen)
                yield variation
                if len(self._seen) > before:
                    useful.setdefault(script, []).append(variation)
        for script, found in useful.items():
            yield from pairs(found[::-1], singles[script], offers[script])

    def _run(
        self, student: Subject, variation: Variation, data: dict[str, Any], seed: int, known: Sequence[str] = ()
    ) -> Observed | None:
        """Run a script once, in a fresh process, and write down what came of it."""
        student.begin_again()
        student.allow(student.limits.script_seconds * (VARIATION_SHARE if known else 1))
        try:
            answer: Observed | CallError = student.attempt(
                PROBE, self._call(student, variation, data, seed) | {"known": list(known)}
            )
        except WorkerLost as lost:
            self._lost.add(variation.script)
            self.runs.append(ScriptRun(command=variation.line, ended=lost.message))
            return None
        if isinstance(answer, CallError):
            self.runs.append(ScriptRun(command=variation.line, ended=f"{answer.type}: {answer.message}"[:SAID]))
            return None
        self._write_down(student, variation, answer, data, known)
        return answer

    def _write_down(
        self, student: Subject, variation: Variation, answer: Observed, data: dict[str, Any], known: Sequence[str]
    ) -> None:
        run = answer.run
        found = [
            Seen(run, number, variation, student.log.strip()[-SAID:], student.limits, data)
            for number in range(len(run.trainings))
        ]
        self._seen += [each for each in found if not (run.stopped and each.training.kind in known)]
        if run.error is not None:
            self._broken.append((variation, run.error))
        if any(GUESSED in name for each in found for name in each.training.loaded):
            self._guessed.append(variation)
        self._left = self._left or answer.left
        repeats = run.stopped and bool(found) and found[-1].training.kind in known
        if run.stopped and not repeats:
            self._lost.add(variation.script if variation.script in self._slow else "")
            self._slow.add(variation.script)
        ended = "ended by the grader, since this training was seen before" if repeats else _ending(run)
        self.runs.append(ScriptRun(command=variation.line, ended=ended, trainings=tuple(map(in_words, found))))

    def _known(self) -> set[str]:
        return {seen.training.kind for seen in self._seen if seen.complete}

    def _missing(self) -> list[str]:
        return [goal for goals in GOALS.values() for goal in goals if not self._of(goal)]

    def _goes_on(self) -> bool:
        """Whether something is left to be seen, and time to look for it."""
        return bool(self._missing()) and time.monotonic() < self._ends

    def _serves(self, script: str) -> bool:
        """Whether a script may have what is missing: it trains such a network, or nobody knows which script does."""
        begun = [seen for seen in self._seen if seen.training.begun]
        networks = {seen.training.network for seen in begun}
        missing = set(self._missing())
        wanted = {network for network, goals in GOALS.items() if not missing.isdisjoint(goals)}
        trained = {seen.training.network for seen in begun if seen.variation.script == script}
        return not trained or not trained.isdisjoint(wanted) or not wanted <= networks

    def _of(self, kind: str) -> list[Seen]:
        """The trainings of a kind, those first that came to their end."""
        return sorted(filter(KINDS[kind], self._seen), key=lambda seen: not seen.complete)

    def get(self, *kinds: str) -> Made:
        """The training of the first of these kinds that was seen.

        Raises:
            NotScored: none was; the message tells what was tried.
        """
        for kind in kinds:
            for seen in self._of(kind):
                return seen.made()
        if self._broken and not self._seen and self._could_run is not None:
            self._could_run(self._broken[0][1])
        raise NotScored(self.unseen())

    def all(self, kind: str) -> list[Made]:
        """Every training of a kind."""
        return [seen.made() for seen in self._of(kind)]

    def unseen(self) -> str:
        """That an experiment was not seen, and what was tried."""
        tried = [run.command for run in self.runs]
        more = f" and {len(tried) - LISTED} more" if len(tried) > LISTED else ""
        listed = "; ".join(tried[:LISTED]) or "there is no script"
        return f"Not seen in any run of the scripts, so nobody can tell. Tried: {listed}{more}."

    def expect_runs(self, kind: str, script: str, *words: str) -> Made:
        """A training of a kind, which has to have come to its end: that of a script as it stands, if there is one.

        Args:
            kind: as in `KINDS`.
            script: that the handout has for it.
            words: of which a line has one that a run breaks off at without such a training.

        Raises:
            CheckFailed: it broke off, or the script did before there was one.
            NotScored: none was seen.
        """
        found = self._of(kind)
        unchanged = [seen for seen in self._seen if seen in found and seen.variation.as_it_stands]
        for seen in [*unchanged, *found][:1]:
            made = seen.made()
            if made.run.stopped:
                fail("The script did not come to its end in time, on a few images.", example=seen.variation.line)
            made.expect_end()
            return made
        for variation, error in self._broken:
            lines = (error.traceback or "").lower()
            untrained = not any(seen.variation == variation for seen in self._seen)
            broke_early = variation == Variation(script) and untrained
            if broke_early or any(word in lines for word in words):
                raise self._broke_off(variation, error)
        raise NotScored(self.unseen())

    def expect_loaded(self) -> None:
        """Fail where fine-tuning was never seen, and a run broke off when it had loaded a weights file.

        Raises:
            CheckFailed: so it was.
        """
        for seen in self._seen:
            loaded = [name for name in seen.training.loaded if GUESSED not in name]
            if not seen.training.begun and loaded and seen.run.error is not None:
                raise self._broke_off(seen.variation, seen.run.error)

    def _broke_off(self, variation: Variation, error: CallError) -> CheckFailed:
        """How it ended, as a failure.

        Raises:
            NotScored: this host cannot run it, through no fault of the submission.
        """
        if self._could_run is not None:
            self._could_run(error)
        failure = as_check_failed(error, self._limits)
        return CheckFailed(failure.finding.model_copy(update={"example": variation.line}))


def _ending(run: Run) -> str:
    if run.error is not None:
        place = f" in {run.error.where}" if run.error.where else ""
        return f"{run.error.type}{place}: {run.error.message}"[:SAID]
    if run.stopped:
        return "ended by the grader, since its time was over"
    return "ran to its end" if run.status == 0 else f"exit code {run.status}"
