"""`python -m grader doctor`: can submissions of strangers be graded on this host, and what holds them in?

Nothing is believed for being installed. For a tier that works, a worker is started as for a grading and attacked from
inside (`attacks.py`); each promise of the sandbox (`promises.py`) counts as kept only if its attack came to nothing.
"""

import json
import sys
from collections.abc import Callable

from rich.console import Console

from grader.doctor.bench import Bench
from grader.doctor.findings import Diagnosis, Proof, Tier, Verdict, verdict
from grader.doctor.host import advise, facts, look_at_host
from grader.doctor.promises import prove_all
from grader.doctor.show import print_diagnosis
from grader.errors import GraderFault
from grader.records import Isolation
from grader.sandbox import Limits
from grader.sandbox.tiers import why_unavailable
from grader.worker.channel import ChannelClosed

__all__ = ["EXIT_CODES", "Diagnosis", "Verdict", "diagnose", "run_doctor"]

CONFINING = (Isolation.BUBBLEWRAP, Isolation.LANDLOCK)
NO_WORKER = (
    "The isolation itself works, but a worker does not start in it: report this page. Meanwhile, see with "
    "`doctor --all` whether the other kind works, and grade with --isolation."
)
EXIT_CODES = {Verdict.STRANGERS: 0, Verdict.WEAKER: 1, Verdict.OWN_ONLY: 3}


def run_doctor(*, every_tier: bool, as_json: bool) -> int:
    """Examine this host, print what was found, and return the exit code that says it in a number."""
    with Console(stderr=True).status("the host") as status:
        diagnosis = diagnose(every_tier=every_tier, progress=status.update)
    if as_json:
        sys.stdout.write(json.dumps(diagnosis.model_dump(mode="json"), indent=2) + "\n")
    else:
        print_diagnosis(diagnosis, Console())
    return EXIT_CODES[diagnosis.verdict]


def diagnose(*, every_tier: bool, progress: Callable[[str], None]) -> Diagnosis:
    """Examine this host.

    Args:
        every_tier: attack each tier that works, not only the one that a grading would choose.
        progress: told what is being looked at.
    """
    host = look_at_host()
    problems = {tier: why_unavailable(tier) for tier in CONFINING}
    chosen = next((tier for tier, problem in problems.items() if problem is None), None)
    tiers: list[Tier] = []
    ready: dict[str, object] | None = None
    for tier, problem in problems.items():
        proofs: tuple[Proof, ...] = ()
        if problem is None and (every_tier or tier is chosen):
            try:
                proofs, told = examine(tier, progress)
                ready = ready or told
            except (GraderFault, ChannelClosed) as fault:
                tiers.append(Tier(isolation=tier, problem=str(fault).splitlines()[-1], advice=(NO_WORKER,)))
                continue
        advice = advise(tier, host) if problem is not None else ()
        tiers.append(Tier(isolation=tier, problem=problem, advice=advice, proofs=proofs))
    found = tuple(tiers)
    return Diagnosis(chosen=chosen, tiers=found, facts=facts(host, Limits(), ready), verdict=verdict(chosen, found))


def examine(tier: Isolation, progress: Callable[[str], None]) -> tuple[tuple[Proof, ...], dict[str, object]]:
    """Attack a worker under a tier; the proofs, and what the worker told of itself.

    Raises:
        GraderFault, ChannelClosed: no worker starts under it.
    """
    progress(f"{tier.value}: starting a worker")
    with Bench(tier) as bench:
        return prove_all(bench, lambda title: progress(f"{tier.value}: {title}")), bench.ready
