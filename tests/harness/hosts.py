"""The tiers of isolation that this host has, and which of them it must have."""

import os

import pytest

from grader.records import Isolation
from grader.sandbox.tiers import why_unavailable

TIERS = (Isolation.BUBBLEWRAP, Isolation.LANDLOCK, Isolation.NONE)
CONFINING = (Isolation.BUBBLEWRAP, Isolation.LANDLOCK)


def require(tier: Isolation) -> None:
    """Skip where a tier does not work, unless `GRADER_REQUIRE_TIERS` names it: then that is a failure."""
    problem = None if tier is Isolation.NONE else why_unavailable(tier)
    if problem is not None:
        if tier.value in os.environ.get("GRADER_REQUIRE_TIERS", "").split():
            pytest.fail(f"{tier.value} has to work here, but: {problem}")
        pytest.skip(f"{tier.value}: {problem}")
