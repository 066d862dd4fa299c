"""The planted submissions: one known mistake each in `wrong/`, odd but correct ones in `right/`.

A submission is the reference with `<name>.patch` applied, or changed by the function `<name>` of `oddities`, or both.
`wrong/expected.toml` says of every wrong one what it does, in words for a student, and lists the checks that have to
fail; all others have to pass, except those that are left unscored since they require a failed one. A right one passes
every check.

Patches apply at exact lines only, so that none can end up elsewhere. When the reference has moved on, apply them to a
copy of it with `patch -p1`, which looks for the place, and write them anew with `diff -U2`.
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from grader.naming import apply_patch, load_mistakes
from grader.records import Outcome, Status
from grader.rubric import Rubric
from tests.submissions import oddities

FOLDER = Path(__file__).parent
REFERENCE = FOLDER.parents[1] / "reference"
# Mistakes that fail where others do, as `python -m tests.verdicts repeats` finds them.
REPEATED = FOLDER / "wrong" / "repeated.txt"
# The parts whose checks judge a file. The scripts of Parts 4 and 6 run through all of them, but judge what is theirs.
PARTS = {
    "dlvc/metrics.py": ("metrics",),
    "dlvc/models/": ("segformer",),
    "dlvc/trainer.py": ("trainer",),
    "dlvc/cli.py": ("fcn", "pretraining"),
    "train.py": ("fcn",),
    "train_segformer.py": ("pretraining",),
}
# The same for what no patch says. A script cannot run without the modules of other parts; that is no mistake of its.
JUDGED = {
    "report_": ("handin",),
    "weights_brought": ("handin",),
    "dataset_brought": ("handin",),
    "trainer_missing": ("handin", "trainer"),
    "metrics_missing": ("handin", "metrics"),
    "head_missing": ("handin", "segformer"),
    "script_missing": ("handin", "pretraining"),
}
# Mistakes in the trainer that show in the scripts too. All others are run with the checks of their own part alone.
SEEN_BY_SCRIPTS = frozenset(
    {
        "labels_not_shifted",
        "every_label_shifted",
        "labels_not_squeezed",
        "dictionary_not_unwrapped",
        "last_model_not_saved",
        "optimizer_never_steps",
    }
)
NOT_HANDED_IN = shutil.ignore_patterns(".*", "__pycache__")


@dataclass(frozen=True)
class Planted:
    """A submission whose outcome is known.

    Args:
        name: of its patch or its oddity, and the test's id.
        fails: ids of the checks that have to fail, none for a right one.
        what: its mistake, completing "This is what comes out when ..."; empty for a right one.
        hint: what helps where the hints of the failed checks do not.
    """

    name: str
    fails: frozenset[str] = frozenset()
    what: str = ""
    hint: str | None = None

    def make(self, folder: Path) -> Path:
        """Build the submission below an empty `folder`; what is handed in, a folder or a zip."""
        source = folder / "group_7"
        shutil.copytree(REFERENCE, source, ignore=NOT_HANDED_IN)
        if self.patch.exists():
            apply_patch(self.patch, source)
        return getattr(oddities, self.name, lambda unchanged: unchanged)(source)

    @property
    def patch(self) -> Path:
        """Where its patch is, or would be."""
        return FOLDER / ("wrong" if self.fails else "right") / f"{self.name}.patch"

    @property
    def changes(self) -> list[str]:
        """The files that its patch changes."""
        if not self.patch.exists():
            return []
        return re.findall(r"^\+\+\+ b/(\S+)", self.patch.read_text(encoding="utf-8"), flags=re.MULTILINE)

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that it could fail, by what it changes; none stands for all."""
        if (
            judged := next((parts for start, parts in JUDGED.items() if self.name.startswith(start)), None)
        ) is not None:
            return judged
        if not self.patch.exists() or hasattr(oddities, self.name):
            return ()
        found = (
            next((parts for start, parts in PARTS.items() if name.startswith(start)), None) for name in self.changes
        )
        parts = list(found)
        if None in parts:
            return ()
        more = ("fcn", "pretraining") if self.name in SEEN_BY_SCRIPTS else ()
        return ("handin", *more, *sorted({part for several in parts if several for part in several}))

    def checks(self, rubric: Rubric) -> list[str]:
        """The ids of the checks that could see what is odd about it."""
        return [check.id for check in rubric.checks if not self.parts or check.part in self.parts]

    def surprises(self, outcomes: dict[str, Outcome], rubric: Rubric) -> str:
        """Say, check by check, where the outcomes are not the planted ones; nothing when they are."""
        expected = dict.fromkeys(outcomes, Status.PASSED)
        expected |= dict.fromkeys(self.unscored(rubric), Status.UNSCORED)
        expected |= dict.fromkeys(self.fails, Status.FAILED)
        assert expected.keys() == outcomes.keys()
        either = self.may_be_open(rubric)
        lines = []
        for name, status in expected.items():
            outcome = outcomes[name]
            if outcome.status is not status and not (name in either and outcome.status is Status.UNSCORED):
                lines.append(f"\n{name}: {outcome.status.value}, expected {status.value}. {_told(outcome)}")
        return "".join(lines)

    def unscored(self, rubric: Rubric) -> frozenset[str]:
        """The checks that cannot be judged, since one that they require has not passed."""
        missed: set[str] = set(self.fails)
        for check in rubric.checks:
            if missed.intersection(check.requires):
                missed.add(check.id)
        return frozenset(missed - self.fails)

    def may_be_open(self, rubric: Rubric) -> frozenset[str]:
        """The checks that may follow from its mistake: they pass, or they and what requires them are left open."""
        parts = {name.partition(".")[0] for name in self.fails}
        follow = {check.id for check in rubric.checks if parts.intersection(check.follows)} - self.fails
        for check in rubric.checks:
            if follow.intersection(check.requires):
                follow.add(check.id)
        return frozenset(follow - self.fails)


# The reference itself: it passes everything.
SOLUTION = Planted("reference")


def _told(outcome: Outcome) -> str:
    """What the student reads, on one line each."""
    shown = outcome.finding.model_dump(exclude_none=True, exclude={"hint"})
    return "".join(f"\n    {name}: {text}" for name, text in shown.items())


def wrong_submissions() -> list[Planted]:
    """All planted mistakes, as `wrong/expected.toml` lists them."""
    return [Planted(mistake.name, frozenset(mistake.fails), mistake.what, mistake.hint) for mistake in load_mistakes()]


def repeated_mistakes() -> frozenset[str]:
    """Names of mistakes that fail no check at a line where no other one does."""
    return frozenset(REPEATED.read_text(encoding="utf-8").split())


def right_submissions() -> list[Planted]:
    """All odd but correct submissions: a patch in `right/`, or an oddity that is not listed as wrong."""
    patched = {path.stem for path in (FOLDER / "right").glob("*.patch")}
    wrong = {planted.name for planted in wrong_submissions()}
    return [Planted(name) for name in sorted((patched | set(oddities.__all__)) - wrong)]
