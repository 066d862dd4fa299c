"""The page on the architecture tells of the package as it is."""

import re
import tomllib

import pytest

from tests.harness.command import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def layers() -> list[list[str]]:
    """The rooms from the roof down, as the linter holds them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = (one for one in settings["tool"]["importlinter"]["contracts"] if one["type"] == "layers")
    return [layer.split(" | ") for layer in contract["layers"]]


def test_the_table_of_rooms_is_the_order_that_the_linter_holds(layers):
    """Each row of the table is a layer, in the order of the rule."""
    table = PAGE[PAGE.index("## Who may import whom") : PAGE.index("`probes` and `worker` are all")]
    rows = re.findall(r"^\| (`\S.*?) \|", table, flags=re.MULTILINE)
    assert [re.findall(r"`(\w+)`", row) for row in rows] == layers


def test_every_room_of_the_package_has_its_place(layers):
    """No folder or module of the package stands outside of the order, and at most ten modules lie loose."""
    package = ROOT / "grader"
    loose = {path.stem for path in package.glob("*.py")}
    folders = {path.parent.name for path in package.glob("*/*.py")}
    assert {room for layer in layers for room in layer} == folders | loose - {"__init__"}
    assert len(loose) <= 10


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([\w./]+/[\w./]*)`", PAGE))))
def test_named_places_exist(path):
    """Every path that the page names is there, from the repository's folder or from the package's."""
    assert (ROOT / path).exists() or (ROOT / "grader" / path).exists()
