"""The diagnosis on a terminal: a table for each tier that was tried, the host, and what to do."""

from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from grader.doctor.findings import Diagnosis, Fact, Proof, Tier, Verdict
from grader.reports.overview import State
from grader.reports.pen import Pen, columns

VERDICTS = {
    Verdict.STRANGERS: (State.PASSED, "Submissions of strangers can be graded here: {by} kept every promise."),
    Verdict.WEAKER: (State.UNSCORED, "Weaker than promised: see what to do below before grading strangers' work."),
    Verdict.OWN_ONLY: (
        State.FAILED,
        "Only folders of your own can be graded here: nothing confines a stranger's code.",
    ),
}


def print_diagnosis(diagnosis: Diagnosis, console: Console) -> None:
    """Print everything, the verdict first."""
    pen = Pen(console)
    state, words = VERDICTS[diagnosis.verdict]
    tried = " and ".join(tier.isolation.value for tier in diagnosis.tiers if tier.proofs)
    console.print(pen.mark(state, words.format(by=tried), "bold"))
    for tier in diagnosis.tiers:
        console.print()
        console.print(pen.mark(*_headline(tier, chosen=tier.isolation is diagnosis.chosen), "bold"))
        _indented(console, pen.listing((None, pen.text(line)) for line in tier.advice))
        if tier.proofs:
            _indented(console, _proofs(tier.proofs, pen))
    console.print()
    console.print(pen.text("This host", "bold"))
    _indented(console, _facts(diagnosis.facts, pen))
    _print_advice(diagnosis, pen, console)


def _headline(tier: Tier, *, chosen: bool) -> tuple[State, str]:
    name = tier.isolation.value
    if tier.problem is not None:
        return State.FAILED, f"{name} does not work: {tier.problem}"
    if not tier.proofs:
        return State.NOT_STARTED, f"{name} works; --all tries its promises, too"
    broken = sum(not proof.holds for proof in tier.proofs)
    kept = f"{len(tier.proofs) - broken} of {len(tier.proofs)} promises kept"
    return State.FAILED if broken else State.PASSED, f"{name} works{', a grading takes it' if chosen else ''}: {kept}"


def _proofs(proofs: tuple[Proof, ...], pen: Pen) -> Table:
    table = columns(3, gap=2)
    table.add_row(*(pen.text(title, "bold underline") for title in ("promise", "enforced by", "proved")))
    for proof in proofs:
        state = State.PASSED if proof.holds else State.FAILED
        table.add_row(pen.text(proof.promise), pen.text(proof.enforced_by), pen.mark(state, proof.seen))
    return table


def _facts(facts: tuple[Fact, ...], pen: Pen) -> Table:
    table = columns(2, gap=2)
    for fact in facts:
        table.add_row(pen.text(fact.name), pen.text(fact.value))
        if fact.warning:
            table.add_row("", pen.mark(State.FAULT, fact.warning))
    return table


def _print_advice(diagnosis: Diagnosis, pen: Pen, console: Console) -> None:
    """Say once what to do about all promises that need the same."""
    todo: dict[str, dict[str, None]] = {}  # an ordered set of promises for each advice
    for proof in (proof for tier in diagnosis.tiers for proof in tier.proofs):
        if proof.advice:
            todo.setdefault(proof.advice, {})[proof.promise] = None
    if todo:
        console.print()
        console.print(pen.text("What to do", "bold"))
    for advice, broken in todo.items():
        _indented(console, pen.listing([(State.FAILED, pen.text(f"{', '.join(broken)}: {advice}"))]))


def _indented(console: Console, table: Table) -> None:
    if table.row_count:
        console.print(Padding(table, (0, 0, 0, 2)))
