"""Names for failures: which known mistake gives the very output that a submission gave.

The planted mistakes are patches over the solution. When a check has failed, each mistake that would fail it is asked
the same questions, and if exactly one of them answers as the submission did, wherever a mistake shows at all, the
feedback says what that mistake is. A wrong name is worse than none, so every doubt leaves a failure without a name.
"""

from grader.naming.mistakes import FOLDER, Mistake, PatchRefused, apply_patch, load_mistakes
from grader.naming.recognising import Recogniser, chosen

__all__ = ["FOLDER", "Mistake", "PatchRefused", "Recogniser", "apply_patch", "chosen", "load_mistakes"]
