"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from grader.records import Isolation

IsolationOption = Annotated[
    Isolation | None,
    Parameter(help="Insist on a kind of isolation. The default is the strongest that works here."),
]
TimingsOption = Annotated[bool, Parameter(help="Tell where the time went.", negative="")]
OutputOption = Annotated[Path, Parameter(help="Folder for the reports; each submission gets a folder in it.")]
