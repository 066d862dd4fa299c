"""Names for failures: which known mistake gives the very output that a submission gave.

The planted mistakes are patches over the solution. When a check has failed, each mistake that would fail it is asked
the same questions. Where one answers as the submission did, nearly wherever a mistake shows at all, and explains more
failures than any that says something else, the feedback says what it is. A wrong name is worse than none, so every
doubt leaves a failure without a name.
"""

from grader.naming.mistakes import Mistake, PatchRefused, apply_patch, load_mistakes
from grader.naming.recognising import Recogniser, chosen

__all__ = ["Mistake", "PatchRefused", "Recogniser", "apply_patch", "chosen", "load_mistakes"]
