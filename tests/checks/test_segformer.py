"""Part 5: the three pieces that students write, and the network that they make.

Both workers draw the same strong weights from a seed, so layers that are equal at initialisation are not. Each piece is
judged by itself; the whole network is only judged when its pieces are right, so that no mistake costs twice.
"""

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grader.checking import Subject, expect_close, fail, fail_by_difference, nearest, share_used
from grader.checking.level_orders import ORDER, ORDERS
from grader.checking.tolerances import Tolerance, tolerance
from grader.records import Edition

FORWARD = tolerance("segformer.forward", "relative", "float32, summed in another order")
BACKWARD = tolerance(
    "segformer.backward", "relative", "gradients are sums over all tokens, in float32 and in another order"
)
LENGTHS = tolerance(
    "segformer.lengths",
    "relative",
    "of half a million units some lie so near the kink of the ReLU that rounding decides whether their gradient counts",
)
# Of the largest gradient: below it, lengths are judged by this, since some are 0 but for rounding.
SHORTEST = 1e-3

SEEDS = 1 << 31
CUT_OFF = "The output is right, but no gradient reaches {what}: its branch is cut off, by detach(), .data or no_grad()."
DIMENSION = 16
SAMPLES = 128
BLOCKS = (
    {"sr_ratio": 1, "size": [4, 4]},
    {"sr_ratio": 2, "size": [4, 6]},
    {"sr_ratio": 4, "size": [8, 12]},
)


def normal(rng: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    """Random values of mean 0 and variance 1."""
    return rng.normal(size=shape).astype(np.float32)


def block_case(rng: np.random.Generator, sr_ratio: int, size: list[int], **more: Any) -> dict[str, Any]:
    """Arguments of a block probe: a small block, new weights, and tokens of an H x W map."""
    config = {
        "dim": DIMENSION,
        "num_heads": 2,
        "mlp_ratio": 4.0,
        "qkv_bias": True,
        "sr_ratio": sr_ratio,
        **more,
    }
    tokens = normal(rng, 3, size[0] * size[1], DIMENSION)
    return {"config": config, "weights": int(rng.integers(SEEDS)), "x": tokens, "size": size}


def test_block_output(student: Subject, reference: Subject, rng: np.random.Generator) -> None:
    """`Block.forward` gives x + attention of its norm, then adds the MLP of another norm, on maps of any shape."""
    for choice in BLOCKS:
        case = block_case(rng, **choice)
        example = "tokens of a {} x {} map, sr_ratio {}".format(*case["size"], choice["sr_ratio"])
        found = student.segformer_block(**case, training=False)
        expected = reference.segformer_block(**case, training=False)
        expect_close(found, expected, FORWARD, "Block.forward gives other values than the paper's.", example=example)


def test_block_gradients(student: Subject, reference: Subject, rng: np.random.Generator) -> None:
    """In training mode a gradient reaches every parameter of the block and its input, and is the right one."""
    for choice in BLOCKS:
        case = block_case(rng, **choice)
        found, expected = (
            student.segformer_block_gradients(**case),
            reference.segformer_block_gradients(**case),
        )
        expect_gradients(found, expected, BACKWARD, 1.0)


def expect_gradients(
    found: dict[str, NDArray[Any]], expected: dict[str, NDArray[Any]], tolerance: Tolerance, least: float
) -> None:
    """Fail at the first parameter that has no gradient, or another one than expected.

    Some gradients are 0 but for rounding (that of a bias before a normalisation), so what is small is judged by a share
    of the largest gradient of all.

    Args:
        found: the gradient of each parameter.
        expected: the right ones.
        tolerance: relative to a gradient's largest value.
        least: and to no less than this share of the largest value of all.
    """
    if missing := [name for name in expected if name not in found]:
        fail(f"There is no parameter {missing[0]}.", expected=missing[0], found=", ".join(found))
    largest = {name: float(np.abs(right).max()) for name, right in expected.items()}
    scales = {name: max(value, least * max(largest.values())) for name, value in largest.items()}
    shares = {name: share_used(found[name], right, tolerance, scales[name]) for name, right in expected.items()}
    if tolerance.admits(max(shares.values())):
        return
    name = next(name for name, share in shares.items() if not share <= 1)
    what = "the input x" if name == "x" else name
    if not np.any(found[name]):
        fail(CUT_OFF.format(what=what), where=name)
    message = f"The gradient of {what} is wrong."
    fail_by_difference(found[name], expected[name], tolerance, message, largest=scales[name], where=name)


def test_block_drop_path(student: Subject, reference: Subject, rng: np.random.Generator) -> None:
    """In training, attention and MLP branch of each sample are dropped independently of each other."""
    case = block_case(rng, sr_ratio=1, size=[2, 2], drop_path=0.5)
    case["x"] = normal(rng, SAMPLES, 4, DIMENSION)
    factors = list(product((0.0, 1.0, 2.0), repeat=2))
    expected = np.stack(reference.segformer_block_branches(**case, scales=factors))
    output = student.segformer_block(**case, training=True)
    if output.shape != expected.shape[1:]:
        fail("In training the output has another shape.", expected=str(expected.shape[1:]), found=str(output.shape))
    gaps = np.abs(expected - output).max(axis=(2, 3))
    explained = FORWARD.admits(float(gaps.min(axis=0).max()) / FORWARD.allowed(float(np.abs(expected).max())))
    seen = {factors[kind] for kind in np.argmin(gaps, axis=0)}
    if not explained or seen != set(product((0.0, 2.0), repeat=2)):
        fail(
            "With drop_path=0.5 the branches are not dropped as they should be in training.",
            expected="in half of the samples a branch is left out, in the others it is doubled; each branch by itself",
            found=describe_drops(seen) if explained else "outputs that leaving out branches cannot give",
            example=f"{SAMPLES} samples of 4 tokens in training mode",
        )


def describe_drops(seen: set[tuple[float, ...]]) -> str:
    """Say what became of each branch."""
    words = {(0.0, 2.0): "as it should be", (1.0,): "never dropped", (2.0,): "always doubled", (0.0,): "always dropped"}
    factors = [tuple(sorted({kept[branch] for kept in seen})) for branch in (0, 1)]
    said = [words.get(values, f"multiplied by {values}") for values in factors]
    together = " (but both are always dropped together)" if said[0] == said[1] == "as it should be" else ""
    return f"attention branch: {said[0]}; MLP branch: {said[1]}{together}"


def divided(config: dict[str, Any]) -> dict[str, int]:
    """The grid of patches that do not overlap."""
    side = config["img_size"] // config["patch_size"]
    return {"H": side, "W": side, "num_patches": side * side}


def test_patch_embed_grid(student: Subject, edition: Edition) -> None:
    """`H`, `W` and `num_patches` tell how many tokens an image of `img_size` has, for a number or a pair.

    The published handout has square images and patches alone, and says that the grid follows from their two sizes:
    whoever divides the one by the other is right there.
    """
    cases = [
        ({"img_size": 64, "patch_size": 5, "stride": 2}, (32, 32)),
        ({"img_size": 32, "patch_size": 3, "stride": 2}, (16, 16)),
        ({"img_size": 224, "patch_size": 7, "stride": 4}, (56, 56)),
    ]
    pairs = [
        ({"img_size": [48, 96], "patch_size": 3, "stride": 2}, (24, 48)),
        ({"img_size": [48, 96], "patch_size": [7, 3], "stride": 4}, (12, 24)),
    ]
    cases += pairs if edition == "current" else []
    grids = student.segformer_patch_embed_grid(configs=[{**config, "embed_dim": 8} for config, _ in cases])
    for (config, (rows, columns)), grid in zip(cases, grids, strict=True):
        expected = {"H": rows, "W": columns, "num_patches": rows * columns}
        if grid != expected and not (edition == "original" and grid == divided(config)):
            settings = ", ".join(f"{name}={value}" for name, value in config.items())
            fail(
                "The attributes H, W and num_patches do not fit the tokens.",
                expected=", ".join(f"{name} = {value}" for name, value in expected.items()),
                found=", ".join(f"{name} = {value:g}" for name, value in grid.items()),
                example=f"OverlapPatchEmbed({settings})",
            )


def test_patch_embed_output(student: Subject, reference: Subject, rng: np.random.Generator) -> None:
    """The tokens of an image, their order and their map's size are right, for images of any size."""
    for kernel, stride, height, width in ((5, 2, 64, 64), (3, 2, 18, 30), (3, 2, 15, 9), (7, 4, 32, 20)):
        config = {"img_size": 64, "patch_size": kernel, "stride": stride, "in_chans": 3, "embed_dim": 8}
        case = {
            "config": config,
            "weights": int(rng.integers(SEEDS)),
            "images": normal(rng, 2, 3, height, width),
        }
        found, expected = student.segformer_patch_embed(**case), reference.segformer_patch_embed(**case)
        example = f"patch_size={kernel}, stride={stride}, images of {height} x {width}"
        if found["size"] != expected["size"]:
            fail(
                "forward returns the wrong H and W.",
                expected="H = {:g}, W = {:g}".format(*expected["size"]),
                found="H = {:g}, W = {:g}".format(*found["size"]),
                example=example,
            )
        expect_close(found["tokens"], expected["tokens"], FORWARD, "The tokens are wrong.", example=example)


def head_case(rng: np.random.Generator) -> dict[str, Any]:
    """Arguments of a head probe: a small head, new weights, and four maps of a non-square image."""
    channels = [4, 6, 8, 10]
    maps = [normal(rng, 2, c, 16 >> level, 24 >> level) for level, c in enumerate(channels)]
    return {"channels": channels, "width": 8, "classes": 3, "weights": int(rng.integers(SEEDS)), "maps": maps}


def test_head_output(student: Subject, reference: Subject, rng: np.random.Generator) -> None:
    """The scores are those of the paper's decoder; the order of the four levels is free, it only renames channels."""
    case = head_case(rng)
    found = student.segformer_head(**case, order=ORDER)
    if nearest(found, (reference.segformer_head(**case, order=order) for order in ORDERS), FORWARD) is None:
        expected = reference.segformer_head(**case, order=ORDER)
        example = "maps of 16 x 24, 8 x 12, 4 x 6 and 2 x 3 with 4, 6, 8 and 10 channels"
        fail_by_difference(found, expected, FORWARD, "The head gives other scores than the paper's.", example=example)


def test_head_levels(student: Subject, reference: Subject, rng: np.random.Generator) -> None:
    """In training mode the right gradient reaches each of the four levels."""
    case = head_case(rng)
    found = student.segformer_head_gradients(**case, order=ORDER)
    for level, gradient in enumerate(found, start=1):
        if not np.any(gradient):
            fail(CUT_OFF.format(what=f"level c{level}"), where=f"c{level}")
    others = (flat(reference.segformer_head_gradients(**case, order=order)) for order in ORDERS)
    if nearest(flat(found), others, BACKWARD) is not None:
        return
    expected = reference.segformer_head_gradients(**case, order=ORDER)
    largest = float(np.abs(flat(expected)).max())
    for level, (gradient, right) in enumerate(zip(found, expected, strict=True), start=1):
        if share_used(gradient, right, BACKWARD, largest) > 1:
            message, where = f"The gradient of level c{level} is wrong.", f"c{level}"
            fail_by_difference(gradient, right, BACKWARD, message, largest=largest, where=where)


def flat(levels: list[NDArray[Any]]) -> NDArray[Any]:
    """All values of several maps, one after the other."""
    return np.concatenate([level.ravel() for level in levels])


def test_layout(student: Subject, reference: Subject) -> None:
    """State dict and numbers of parameters are those of the handout, so that pre-trained weights fit."""
    for classes, parameters in ((3, 3_712_867), (19, 3_716_979)):
        found, expected = (
            student.segformer_layout(classes=classes),
            reference.segformer_layout(classes=classes),
        )
        network = f"SegFormer({classes})"
        if found["shapes"] != expected["shapes"]:
            fail(
                f"The state dict of {network} is another one.",
                **describe_layout(found["shapes"], expected["shapes"]),
            )
        for what, number in (("parameters", parameters), ("encoder", 3_317_088)):
            if found[what] != number:
                name = network if what == "parameters" else f"the encoder of {network}"
                fail(
                    f"The number of parameters of {name} is wrong.",
                    expected=f"{number:,}",
                    found=f"{found[what]:,}",
                )


def describe_layout(found: dict[str, list[int]], expected: dict[str, list[int]]) -> dict[str, str]:
    """Name the first difference of two state dicts, missing keys first."""
    missing, extra = [k for k in expected if k not in found], [k for k in found if k not in expected]
    if missing or extra:
        return {
            "expected": f"{len(missing)} more keys: {', '.join(missing[:4])}" if missing else "no further key",
            "found": f"{len(extra)} other keys: {', '.join(extra[:4])}" if extra else "no other key",
        }
    name = next(key for key in expected if found[key] != expected[key])
    return {"expected": f"{name} of shape {expected[name]}", "found": f"shape {found[name]}"}


def test_network_output(student: Subject, reference: Subject, rng: np.random.Generator) -> None:
    """The scores of the whole network are right and have the size of the image, for square images and others."""
    for classes, height, width in ((3, 64, 64), (19, 48, 80)):
        case = {
            "classes": classes,
            "weights": int(rng.integers(SEEDS)),
            "images": normal(rng, 2, 3, height, width),
        }
        found = student.segformer_network(**case, order=ORDER)
        if nearest(found, (reference.segformer_network(**case, order=order) for order in ORDERS), FORWARD) is None:
            expected = reference.segformer_network(**case, order=ORDER)
            message = f"SegFormer({classes}) gives wrong scores for images of {height} x {width}."
            fail_by_difference(found, expected, FORWARD, message)


def test_network_training(student: Subject, reference: Subject, rng: np.random.Generator) -> None:
    """In training mode scores are right and every parameter gets a gradient of the right length."""
    case = {"classes": 3, "weights": int(rng.integers(SEEDS)), "images": normal(rng, 2, 3, 64, 64)}
    found = student.segformer_network_gradients(**case, order=ORDER)
    others = (reference.segformer_network_gradients(**case, order=order)["scores"] for order in ORDERS)
    which = nearest(found["scores"], others, FORWARD)
    expected = reference.segformer_network_gradients(**case, order=ORDERS[which or 0])
    if which is None:
        fail_by_difference(found["scores"], expected["scores"], FORWARD, "In training mode the scores are wrong.")
    expect_gradients(found["lengths"], expected["lengths"], LENGTHS, SHORTEST)


def test_checkpoint(student: Subject, reference: Subject, rng: np.random.Generator) -> None:
    """What `DeepSegmenter.save` writes has the handout's name, and `load` brings every weight back."""
    case = {"weights": int(rng.integers(SEEDS)), "images": normal(rng, 2, 3, 8, 8)}
    answer, expected = student.segformer_checkpoint(**case), reference.segformer_checkpoint(**case)
    names = ["_TinyNet_model.pth", "_TinyNet_model_best.pth"]
    if answer["files"] != names:
        fail("save() writes other files.", expected=", ".join(names), found=", ".join(answer["files"]))
    if any(keys != answer["expected_keys"] for keys in answer["keys"]):
        fail(
            "The file has other keys than the bare network's state dict.",
            expected=", ".join(answer["expected_keys"]),
            found=", ".join(next(keys for keys in answer["keys"] if keys != answer["expected_keys"])),
        )
    message = "A network gives other scores when it is wrapped in a DeepSegmenter."
    expect_close(answer["before"], expected["before"], FORWARD, message)
    message = "A network that was saved and loaded again gives other scores."
    expect_close(answer["after"], expected["after"], FORWARD, message)
