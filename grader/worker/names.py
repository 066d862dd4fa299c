"""The names of weights files and of the tensors in them, for both sides."""

from typing import Any

# A file that is not there, so that a script that loads it is answered with a pre-trained one.
PRETRAINED = "pretrained.pth"
# How the record of a load says that its file was not the hand-in's own.
GUESSED = " (in its place, a file of the grader's)"
PREFIXES = ("net.", "module.", "model.", "_orig_mod.")


def bare(values: dict[str, Any]) -> dict[str, Any]:
    """The same by the names of the bare network: a wrapper's prefix that all have in common is Part 5's matter."""
    for prefix in PREFIXES:
        if values and all(name.startswith(prefix) for name in values):
            return bare({name.removeprefix(prefix): value for name, value in values.items()})
    return values


def half(values: dict[str, Any], name: str) -> dict[str, Any]:
    """The entries of `encoder` or `decoder`, without that word; a file that names neither holds an encoder."""
    values = bare(values)
    if name == "encoder" and not any(key.startswith(("encoder.", "decoder.")) for key in values):
        return values
    return {key.removeprefix(f"{name}."): value for key, value in values.items() if key.startswith(f"{name}.")}
