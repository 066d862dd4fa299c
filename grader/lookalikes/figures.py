"""Animals and people, built of the same limbs, so that who has learned one knows something of the other.

A figure's own coordinates have x to its front and y downwards. An animal is about 1 long and lies around (0, 0); a
person is 1 tall and stands on (0, 0).
"""

from typing import Final, NamedTuple

import numpy as np

from grader.lookalikes.outlines import Limb, Point
from grader.lookalikes.textures import COATS, Pattern, fur, patches, spots, stripes


class Breed(NamedTuple):
    """What all animals of a breed have in common."""

    name: str
    coats: tuple[Pattern, ...]
    stoutness: float
    legs: float
    snout: float
    pointed_ears: bool

    @property
    def is_cat(self) -> bool:
        """As in the Oxford pets, the names of cats begin with a capital."""
        return self.name[0].isupper()


# Names of the Oxford pets; the animals only resemble each other as those of one breed do.
BREEDS: Final = (
    Breed("Abyssinian", (fur, stripes), 0.9, 0.42, 0.35, pointed_ears=True),
    Breed("Bengal", (spots, stripes), 1.0, 0.38, 0.3, pointed_ears=True),
    Breed("Birman", (patches, fur), 1.15, 0.32, 0.25, pointed_ears=True),
    Breed("Sphynx", (fur, patches), 0.8, 0.42, 0.3, pointed_ears=True),
    Breed("beagle", (patches, spots), 1.05, 0.4, 0.75, pointed_ears=False),
    Breed("boxer", (stripes, fur), 1.1, 0.52, 0.6, pointed_ears=False),
    Breed("chihuahua", (fur, patches), 0.8, 0.36, 0.5, pointed_ears=True),
    Breed("newfoundland", (fur,), 1.3, 0.42, 0.7, pointed_ears=False),
    Breed("pug", (fur, spots), 1.25, 0.32, 0.25, pointed_ears=False),
    Breed("samoyed", (fur, patches), 1.25, 0.45, 0.65, pointed_ears=True),
)


class Animal(NamedTuple):
    """Limbs from the hindmost to the foremost, ears as triangles, and where eyes and nose are."""

    body: tuple[Limb, ...]
    ears: tuple[tuple[Point, Point, Point], ...]
    eyes: tuple[Point, ...]
    nose: Point
    head_radius: float


class Person(NamedTuple):
    """The limbs of a person, by what clothes them."""

    legs: tuple[Limb, ...]
    torso: tuple[Limb, ...]
    head: tuple[Limb, ...]


def animal(rng: np.random.Generator, breed: Breed) -> Animal:
    """Draw an animal of a breed in one of four poses: standing, sitting, lying, or close up."""
    pose = rng.choice(4, p=(0.3, 0.25, 0.2, 0.25))
    body, head, radius = (_standing, _sitting, _lying, _close_up)[pose](rng, breed)
    return _with_head(rng, breed, body, head, radius)


Pose = tuple[tuple[Limb, ...], Point, float]


def _standing(rng: np.random.Generator, breed: Breed) -> Pose:
    stout, foot = 0.21 * breed.stoutness, breed.legs + 0.05
    legs = tuple(Limb((x, 0.05), (x + rng.normal(0, 0.06), foot), 0.09, 0.065) for x in (-0.4, -0.28, 0.28, 0.4))
    head = (rng.uniform(0.5, 0.65), rng.uniform(-0.4, -0.15))
    trunk = (
        Limb((-0.38, 0), (0.38, rng.uniform(-0.06, 0.06)), stout, 1.1 * stout),
        Limb((0.35, -0.02), head, stout, 0.12),
    )
    return (*_tail(rng, (-0.45, -0.08)), *legs, *trunk), head, 0.19


def _sitting(rng: np.random.Generator, breed: Breed) -> Pose:
    stout, foot = 0.23 * breed.stoutness, 0.4 + 0.3 * breed.legs
    head = (rng.uniform(0.05, 0.22), rng.uniform(-0.6, -0.45))
    legs = tuple(Limb((x, -0.1), (x + rng.normal(0.03, 0.03), foot), 0.08, 0.06) for x in (0.08, 0.2))
    trunk = (
        Limb((-0.1, foot - 0.15), (0.02, foot - 0.1), 0.2, 0.15),
        Limb((-0.02, 0.25), (0.08, -0.25), stout, 0.8 * stout),
        Limb((0.08, -0.25), head, 0.7 * stout, 0.1),
    )
    return (*_tail(rng, (-0.25, foot - 0.1)), *trunk, *legs), head, 0.22


def _lying(rng: np.random.Generator, breed: Breed) -> Pose:
    stout = 0.22 * breed.stoutness
    head = (rng.uniform(0.45, 0.62), rng.uniform(-0.25, 0.05))
    legs = (
        Limb((0.3, 0.12), (rng.uniform(0.55, 0.8), 0.2), 0.07, 0.055),
        Limb((-0.4, 0.12), (rng.uniform(-0.3, 0), 0.2), 0.1, 0.06),
    )
    trunk = (Limb((-0.42, 0.04), (0.32, 0), stout, stout), Limb((0.3, 0), head, stout, 0.1))
    return (*_tail(rng, (-0.55, 0.12)), *trunk, *legs), head, 0.2


def _close_up(rng: np.random.Generator, breed: Breed) -> Pose:
    stout = 0.3 * breed.stoutness
    chest = (rng.uniform(-0.25, 0.25), 0.8)
    return (Limb(chest, (0, 0.2), stout, 0.6 * stout),), (0, -0.1), rng.uniform(0.27, 0.34)


def _tail(rng: np.random.Generator, root: Point) -> tuple[Limb, ...]:
    bend = (root[0] - rng.uniform(0.1, 0.25), root[1] - rng.uniform(-0.1, 0.25))
    tip = (bend[0] - rng.uniform(-0.1, 0.2), bend[1] - rng.uniform(-0.05, 0.25))
    thick = rng.uniform(0.03, 0.07)
    return Limb(root, bend, thick, thick), Limb(bend, tip, thick, 0.7 * thick)


def _with_head(rng: np.random.Generator, breed: Breed, body: tuple[Limb, ...], centre: Point, radius: float) -> Animal:
    """Add a head with its ears; it looks somewhere between the viewer (snout in the middle) and the front."""
    x, y = centre
    turn = rng.uniform(0, 1)
    snout = (x + turn * (0.5 + breed.snout) * radius, y + (0.25 + 0.3 * breed.snout) * radius)
    parts: list[Limb] = [*body, Limb(centre, snout, radius, 0.55 * radius)]
    ears = []
    for side in (-1, 1):
        root = (x + side * (0.65 - 0.25 * turn) * radius, y - 0.6 * radius)
        if breed.pointed_ears:
            tip = (root[0] + side * rng.uniform(0.1, 0.4) * radius, root[1] - rng.uniform(0.7, 1.1) * radius)
            ears.append(((root[0] - 0.35 * radius, root[1]), tip, (root[0] + 0.35 * radius, root[1] + 0.1 * radius)))
        else:
            tip = (root[0] + side * rng.uniform(0.3, 0.6) * radius, root[1] + rng.uniform(0.6, 1.2) * radius)
            parts.append(Limb(root, tip, 0.25 * radius, 0.3 * radius))
    eyes = tuple((x + (0.35 * turn + side * 0.38) * radius, y - 0.12 * radius) for side in (-1, 1))
    nose = (snout[0] + 0.3 * turn * radius, snout[1] - 0.1 * radius)
    return Animal(tuple(parts), tuple(ears), eyes, nose, radius)


def person(rng: np.random.Generator, *, seated: bool = False) -> Person:
    """Draw a person who walks or stands, or whose knees are bent as on a saddle."""
    lean, stride = rng.normal(0.05 if seated else 0, 0.04), abs(rng.normal(0, 0.12))
    thick = rng.uniform(0.9, 1.5)
    hip, neck = (0, -0.5), (lean, -0.8)
    if seated:
        knee = (0.2, -0.35)
        legs: tuple[Limb, ...] = (Limb(hip, knee, 0.08, 0.06), Limb(knee, (0.12, -0.08), 0.06, 0.045))
    else:
        legs = tuple(Limb((s * 0.04, -0.48), (s * stride, -0.03), 0.075 * thick, 0.05) for s in (-1, 1))
    reach = 0.28 if seated else rng.uniform(0.08, 0.22)
    arms = tuple(Limb(neck, (lean + s * reach, -0.5), 0.06, 0.04) for s in ((1,) if seated else (-1, 1)))
    torso = (Limb(hip, neck, 0.1 * thick, 0.11 * thick), *arms)
    return Person(legs, torso, (Limb((lean, -0.92), (lean, -0.9), 0.075, 0.075),))


def coat(rng: np.random.Generator) -> Pattern:
    """Draw the pattern of someone's clothes."""
    return COATS[int(rng.integers(len(COATS)))]
