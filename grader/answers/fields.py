"""What the forms of answers are made of."""

from typing import Annotated

import numpy as np
from pydantic import AfterValidator, ConfigDict, InstanceOf

EXACT = ConfigDict(strict=True, extra="forbid")


def _real(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "biuf":
        raise ValueError(f"an array of {array.dtype}")
    return array


Array = Annotated[InstanceOf[np.ndarray], AfterValidator(_real)]
Arrays = dict[str, Array]
