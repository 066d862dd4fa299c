"""The orders in which a decoder may concatenate its four levels: another one only renames channels."""

from itertools import permutations
from typing import Final

ORDER: Final = [0, 1, 2, 3]
"""The contract's: c4, c3, c2, c1."""

ORDERS: Final = sorted(map(list, permutations(ORDER)), key=lambda order: (order != ORDER, order != ORDER[::-1]))
"""The contract's order first, then its reverse, which is the other one that people choose."""
