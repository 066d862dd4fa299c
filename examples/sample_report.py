"""Draw the sample report.pdf of `reference/` and `examples/group_7/`: the form of a report, with the published curves.

    python examples/sample_report.py reference/report.pdf

It is a form and no solution: the answers to the handout's questions are a student's own work.
"""

import sys
from pathlib import Path

from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from grader.experiments.figures import published_figure

A4 = (8.27, 11.69)
PAGES = (
    (
        "Semantic segmentation: a report",
        "What other architectures are there, and why do they change the resolution?",
    ),
    (
        "FCN and SegFormer from scratch",
        "Set-up: AdamW (learning rate 0.001, amsgrad), ExponentialLR (0.98), batch 64.",
    ),
    ("Pre-training and fine-tuning", "What is pre-training for, and what did it change in our experiments?"),
)
FIGURES = (None, "curves_fcn", "curves_pretraining")


def page(title: str, text: str) -> Figure:
    """A page of text."""
    figure = Figure(figsize=A4)
    figure.text(0.1, 0.92, title, fontsize=16, weight="bold")
    figure.text(0.1, 0.88, text, fontsize=10)
    return figure


def main(target: Path) -> None:
    """Write three pages, two of them with curves, without a date in the file so that it can be made again."""
    with PdfPages(target, metadata={"Title": PAGES[0][0], "CreationDate": None, "Producer": None}) as pdf:
        for (title, text), name in zip(PAGES, FIGURES, strict=True):
            figure = page(title, text) if name is None else published_figure(name)
            if name is not None:
                figure.suptitle(title, y=1.06)
            pdf.savefig(figure, bbox_inches=None if name is None else "tight")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
