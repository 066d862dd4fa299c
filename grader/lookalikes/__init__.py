"""Look-alikes of the assignment's data sets: drawn, not photographed, in exactly the files of the real ones.

The real data cannot be shipped. These take their place in smoke trainings and wherever the real ones are missing:

    ROOT/oxford-iiit-pet/    as `torchvision.datasets.OxfordIIITPet` reads it
    ROOT/cityscapes/         leftImg8bit/ and gtFine/ with train ids, as the handout's Part 1 shows

Animals and people are made of the same limbs and wear the same patterns, on grounds of other patterns, all in colours
from one palette (`textures`, `figures`): a network that was trained on the streets brings to the pets what their
few images do not teach. Each image depends on the seed and its own number only, so that it does not matter how many
processes share the work (`making`), or whether a first run was broken off.
"""

from grader.lookalikes.making import SCALES, Counts, Progress, make_lookalikes

__all__ = ["SCALES", "Counts", "Progress", "make_lookalikes"]
