"""What mutation testing changes and what it does not, and that the list of equivalent mutants is true to them."""

import ast

import pytest

from grader.starter import cut, regions
from tests.submissions.planted import REFERENCE
from tests.verdicts.equivalents import Equivalent, read_equivalents, stale
from tests.verdicts.mutants import Verdict, all_mutants, count, report, tell
from tests.verdicts.mutating import Mutant, mutants_of

FILE = '''"""A module."""

SCALE = 2 * 3


def area(width: int, height: int) -> int:
    """Multiply."""
    if width < 0:
        raise ValueError("negative")
    # SOLUTION-BEGIN Part 2: area
    # Multiply.

    product = width * height
    for _ in range(1):
        product = abs(product)
    # SOLUTION-END
    return product * SCALE
'''
LISTED = Equivalent("area.py", "area", "why", "product = width * height", ("product = width + height",))


@pytest.fixture(scope="module")
def made() -> list[Mutant]:
    """All mutants of the solution."""
    return list(all_mutants())


def mutant(text: str = "width + height") -> Mutant:
    """A mutant of the small file."""
    return Mutant("area.py", "area", FILE, FILE.replace("width * height", text))


def test_regions_are_found():
    """A region has its title without the part, and the lines between its markers."""
    (region,) = regions(FILE)
    assert region.title == "area"
    assert FILE.splitlines()[region.lines.start : region.lines.stop][-1].strip() == "product = abs(product)"


def test_every_region_has_mutants_but_formatted_text(made):
    """The tools change something in each region of the solution, except where there is nothing but an f-string."""
    titles = {
        (path.relative_to(REFERENCE).as_posix(), region.title)
        for path in REFERENCE.rglob("*.py")
        for region in regions(path.read_text(encoding="utf-8"))
    }
    assert titles - {(one.file, one.region) for one in made} == {("dlvc/metrics.py", "SegMetrics.__str__")}


def test_operators_of_both_tools_are_used():
    """Arguments are taken away as by mutmut; operators are replaced and loops emptied as by cosmic-ray."""
    changes = {(one.before, one.after) for one in mutants_of("area.py", FILE)}
    assert ("product = abs(product)", "product = abs(None)") in changes
    assert ("product = width * height", "product = width % height") in changes
    assert ("for _ in range(1):", "for _ in []:") in changes


def test_each_mutant_is_made_once():
    """What both tools make, or what is the same program in another layout, counts once."""
    programs = [ast.dump(ast.parse(one.text)) for one in mutants_of("area.py", FILE)]
    assert len(set(programs)) == len(programs)
    assert ast.dump(ast.parse(FILE)) not in programs


def test_nothing_else_is_changed(made):
    """Whatever a mutant changes lies in a solution region: the starter cut out of it is the same."""
    assert all(cut(one.text) == cut(one.original) for one in [*made, *mutants_of("area.py", FILE)])


def test_each_mutant_has_its_change(made):
    """Before and after name the lines that differ, so that an entry of the list can tell mutants apart."""
    assert all(one.before != one.after for one in made)
    assert (mutant().before, mutant().after) == ("product = width * height", "product = width + height")


def test_an_entry_matches_its_line_alone():
    """An entry holds for the file, the region and the changed line that it names."""
    assert LISTED.matches(mutant())
    assert not LISTED.matches(mutant("width - height"))
    assert not LISTED._replace(region="perimeter").matches(mutant())
    assert not LISTED._replace(file="other.py").matches(mutant())


def test_a_pattern_has_to_hold_before_and_after():
    """A pattern covers mutants of which only that differs which it leaves open."""
    entry = Equivalent("area.py", "area", "why", pattern=r"product = width [*+] height")
    assert entry.matches(mutant())
    assert not entry.matches(mutant("width - height"))


def test_a_stale_entry_is_told():
    """An entry that matches no mutant, or one of whose mutants is no longer made, is named."""
    entry = LISTED._replace(after=(*LISTED.after, "x"))
    (line,) = stale([entry], [mutant()])
    assert "x" in line
    assert "+" not in line
    assert stale([entry._replace(pattern="product = .*", before="", after=())], [mutant()]) == []


@pytest.mark.parametrize(
    "entry",
    ['reason = "why"', 'reason = "why"\nbefore = "x = 1"', 'reason = ""\npattern = "x"', 'before = "x = 1"'],
    ids=["no mutant", "nothing after", "no reason", "no reason either"],
)
def test_an_entry_that_says_too_little_is_refused(entry, tmp_path):
    """Whoever lists a mutant names it, and says why it is no mistake."""
    path = tmp_path / "equivalent.toml"
    path.write_text(f'[[equivalent]]\nfile = "area.py"\nregion = "area"\n{entry}\n', encoding="utf-8")
    with pytest.raises((ValueError, TypeError)):
        read_equivalents(path)


def test_the_list_is_up_to_date(made):
    """Every entry of `equivalent.toml` matches a mutant, and no mutant is listed twice."""
    entries = read_equivalents()
    assert stale(entries, made) == []
    assert [one.diff() for one in made if sum(entry.matches(one) for entry in entries) > 1] == []


def test_a_survivor_is_told_and_counts(capsys):
    """What no check fails, and the list does not name, is shown with its diff, and the whole has not passed."""
    survivor = Verdict(mutant(), None, None, ())
    tell(survivor, [])
    assert "+    product = width + height" in capsys.readouterr().out
    assert not report([survivor], [], everything=False)
    assert report([survivor], [LISTED], everything=False)


def test_what_is_listed_or_caught_is_not_told(capsys):
    """Only survivors are shown, and what was caught by a limit, which a slow machine can do as well."""
    tell(Verdict(mutant(), None, None, ()), [LISTED])
    tell(Verdict(mutant(), "metrics.reset", None, ()), [])
    assert capsys.readouterr().out == ""
    tell(Verdict(mutant(), "metrics.reset", "No answer within 10 s.", ()), [])
    assert "No answer within 10 s." in capsys.readouterr().out


def test_a_listed_mutant_that_is_caught_is_an_error(capsys):
    """An entry for a mutant that a check fails is a mistake of the list."""
    assert not report([Verdict(mutant(), "metrics.reset", None, ())], [LISTED], everything=False)
    assert "listed as equivalent, but metrics.reset fails" in capsys.readouterr().out


def test_figures_add_up():
    """Each mutant is counted once: as caught, as equivalent or as survived."""
    caught, survived = Verdict(mutant(), "metrics.reset", "killed", ()), Verdict(mutant("1"), None, None, ())
    figures = count({"caught": [caught], "equivalent": [], "survived": [survived]})
    assert (figures["mutants"], figures["caught"], figures["survived"], figures["lost"]) == (2, 1, 1, 1)
    assert figures["files"] == {"area.py": {"mutants": 2, "caught": 1, "equivalent": 0, "survived": 1}}
    assert figures["caught_by"] == {"metrics.reset": 1}
