"""How right the grader's verdicts are, measured: `python -m tests.verdicts --help`."""

from cyclopts import App

app = App(name="python -m tests.verdicts", help="Measure how right the grader's verdicts are.", version_flags=[])
app.command("tests.verdicts.flakes:flakes")
app.command("tests.verdicts.mutants:mutants")
app.command("tests.verdicts.mistakes:mistakes")
app.command("tests.verdicts.originals:originals")
app.command("tests.verdicts.tolerances:tolerances")
app.command("tests.verdicts.page:page")
app.command("tests.verdicts.repeats:repeats")

if __name__ == "__main__":
    app()
