"""Submissions that are honest and right, written in a way that stumbles graders."""

from collections.abc import Callable
from pathlib import Path

from grader.records import Isolation
from tests.submissions.hostile.cases import (
    CHECKS,
    HEAD_CHECKS,
    METRICS_FILE,
    ONE_METRIC,
    Case,
    Verdict,
    add,
    failed,
    graded,
    in_update,
    number_is,
)

IMPORTS, LINES, LOGGING = "Honest: imports", "Honest: CRLF, BOM", "Honest: wandb, tqdm, tensorboard"
SCRIPTS, PLOTS, DEVICE = "Honest: training without a main guard", "Honest: plt.show()", "Honest: unconditional .cuda()"
NUMBERS, WORKERS, MISSING = "Honest: number types", "Honest: num_workers > 0", "Honest: item not there"
POOL = in_update("import multiprocessing\nwith multiprocessing.Pool(2) as pool: pool.map(abs, [1, 2])")


def _rewritten(encode: Callable[[str], bytes]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        for path in folder.rglob("*.py"):
            path.write_bytes(encode(path.read_text(encoding="utf-8")))

    return change


def _without(*names: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return change


def _renamed(folder: Path) -> None:
    (folder / "dlvc").rename(folder / "assignment2")
    for path in folder.rglob("*.py"):
        path.write_text(path.read_text(encoding="utf-8").replace("from dlvc", "from assignment2"), encoding="utf-8")


def _in_front(code: str, file: str = METRICS_FILE) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / file
        path.write_text(f"{code}\n{path.read_text(encoding='utf-8')}", encoding="utf-8")

    return change


def _helpers(folder: Path) -> None:
    add(folder, "utils/__init__.py", "")
    add(folder, "utils/helpers.py", "ONE = 1")
    add(folder, "helpers2.py", "from utils.helpers import ONE")
    add(folder, METRICS_FILE, "from helpers2 import ONE\nfrom dlvc.models import segformer_head as _head")


HONEST: tuple[Case, ...] = (
    graded("Honest", "nothing_odd"),
    graded(IMPORTS, "absolute_and_own_packages", change=_helpers),
    graded(
        IMPORTS,
        "path_edited",
        "import os, sys; sys.path.append(os.path.dirname(os.path.dirname(__file__)))\n"
        "from dlvc.models.segformer_head import SegFormerHead",
    ),
    graded(IMPORTS, "path_put_in_front", "import sys; sys.path.insert(0, '.'); sys.path.insert(0, '..')"),
    graded(IMPORTS, "run_as_a_script", "if __name__ == '__main__':\n    raise SystemExit('only in a script')"),
    graded(IMPORTS, "star_import", "from math import *\nfrom torch.nn import *"),
    graded("Honest: renamed package folder", "package_renamed", change=_renamed),
    graded(LINES, "carriage_returns", change=_rewritten(lambda text: text.replace("\n", "\r\n").encode())),
    graded(LINES, "byte_order_mark", change=_rewritten(lambda text: b"\xef\xbb\xbf" + text.encode())),
    graded(
        LINES,
        "latin_1_declared",
        change=_rewritten(lambda text: b"# -*- coding: latin-1 -*-\n# f\xfcr\n" + text.encode("ascii", "replace")),
    ),
    graded(LINES, "form_feed_and_tabs", "\x0c\nif True:\n\tTABS = 1"),
    graded(
        LOGGING,
        "wandb",
        "import wandb\nrun = wandb.init(project='dlvc', mode='online')\n"
        + in_update("wandb.log({'x': 1}); run.summary['y'] = 2; run.config.update({}, allow_val_change=True)"),
    ),
    graded(LOGGING, "wandb_as_a_context", "import wandb\nwith wandb.init() as run: run.watch(None); run.finish()"),
    graded(LOGGING, "tqdm", "from tqdm.auto import tqdm\n" + in_update("for _ in tqdm(range(9)): tqdm.write('x')")),
    graded(
        LOGGING,
        "tensorboard",
        "from torch.utils.tensorboard import SummaryWriter\n"
        "writer = SummaryWriter(); writer.add_scalar('a', 1, 2); writer.close()",
    ),
    graded(LOGGING, "rich_progress_bar", in_update("for i in range(100): print(f'\\r{i}%', end='', flush=True)")),
    graded(SCRIPTS, "script_without_main_guard", "import time\nwhile True: time.sleep(1)", file="train.py"),
    graded(SCRIPTS, "script_that_fails", "raise RuntimeError('no data')", file="train_segformer.py"),
    failed(
        SCRIPTS,
        "metric_that_trains",
        "raise FileNotFoundError(2, 'No such file or directory', '/data/oxford')",
        "FileNotFoundError in dlvc/metrics.py:",
    ),
    graded(
        PLOTS,
        "shows_a_plot",
        "import matplotlib.pyplot as plt\n"
        + in_update("plt.plot([1, 2]); plt.show(); plt.pause(0.01); plt.savefig('a.png'); plt.close('all')"),
        checks=ONE_METRIC,
        seconds=30,
    ),
    Case(
        "cuda_unconditional",
        DEVICE,
        Verdict.OPEN,
        in_update("prediction = prediction.cuda()"),
        checks=ONE_METRIC,
        unscored=frozenset({"metrics.worked_example"}),
        says="needs a GPU",
    ),
    Case(
        "cuda_unconditional_at_import",
        DEVICE,
        Verdict.OPEN,
        "DEVICE = torch.device('cuda'); ZERO = torch.zeros(1, device=DEVICE)",
        checks=ONE_METRIC,
        unscored=frozenset({"metrics.worked_example"}),
        says="needs a GPU",
    ),
    graded(
        DEVICE, "cuda_if_available", in_update("target = target.to('cuda' if torch.cuda.is_available() else 'cpu')")
    ),
    graded(NUMBERS, "miou_is_a_float64", "import numpy\n" + number_is("numpy.float64(value)")),
    graded(NUMBERS, "miou_is_a_float32", "import numpy\n" + number_is("numpy.float32(value)")),
    graded(NUMBERS, "miou_is_an_array", "import numpy\n" + number_is("numpy.array([value])[0]")),
    graded(NUMBERS, "miou_is_a_tensor", number_is("torch.tensor(value)")),
    graded(NUMBERS, "miou_is_a_tensor_with_an_axis", number_is("torch.tensor([value], dtype=torch.float64)")),
    graded(NUMBERS, "miou_is_a_parameter", number_is("torch.nn.Parameter(torch.tensor(value))")),
    graded(NUMBERS, "miou_is_a_fraction", "from fractions import Fraction\n" + number_is("Fraction(value)")),
    graded(NUMBERS, "miou_is_a_decimal", "from decimal import Decimal\n" + number_is("Decimal(value)")),
    graded(NUMBERS, "miou_is_an_integer_where_it_can_be", number_is("int(value) if value in (0, 1) else value")),
    graded(
        NUMBERS,
        "update_returns_something",
        in_update("") + "\n"
        "_plain = SegMetrics.update\nSegMetrics.update = lambda self, p, t: (_plain(self, p, t), 5)[1]",
    ),
    graded(
        WORKERS,
        "data_loader_with_workers",
        """
        from torch.utils.data import DataLoader, TensorDataset
        _plain = SegMetrics.update
        def update(self, prediction, target):
            for p, t in DataLoader(TensorDataset(prediction, target), batch_size=1, num_workers=2):
                _plain(self, p, t)
        SegMetrics.update = update
    """,
        checks=ONE_METRIC,
    ),
    graded(WORKERS, "pool_of_processes", POOL, checks=ONE_METRIC, tiers=(Isolation.BUBBLEWRAP,)),
    graded(
        WORKERS,
        "pool_of_threads",
        in_update("from multiprocessing.pool import ThreadPool\nwith ThreadPool(4) as pool: pool.map(abs, [1])"),
        tiers=(Isolation.BUBBLEWRAP,),
    ),
    Case(
        "pool_where_no_memory_is_shared",
        WORKERS,
        Verdict.OPEN,
        POOL,
        checks=ONE_METRIC,
        unscored=frozenset({"metrics.worked_example"}),
        says="needs memory that processes share",
        tiers=(Isolation.LANDLOCK,),
    ),
    graded(WORKERS, "subprocess", in_update("import subprocess; subprocess.run(['uname'], check=True)")),
    graded(WORKERS, "compiled", in_update("torch.jit.script(torch.nn.Identity())(prediction)"), checks=ONE_METRIC),
    failed(
        MISSING,
        "metrics_not_there",
        "",
        "dlvc/metrics.py",
        change=_without("dlvc/metrics.py"),
        fails=frozenset(CHECKS[:5]) | {"handin.layout"},
    ),
    failed(
        MISSING,
        "head_not_there",
        "",
        "dlvc/models/segformer_head.py",
        change=_without("dlvc/models/segformer_head.py"),
        checks=HEAD_CHECKS,
        fails=frozenset({"segformer.head_output", "handin.layout"}),
    ),
    failed(MISSING, "class_not_there", "del SegMetrics", "SegMetrics"),
    failed(MISSING, "class_renamed", "Metrics = SegMetrics; del SegMetrics", "SegMetrics"),
)
