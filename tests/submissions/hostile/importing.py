"""Submissions that do something when they are imported."""

from collections.abc import Callable
from pathlib import Path

from tests.submissions.hostile.cases import METRICS_FILE, ONE_METRIC, failed, graded, killed


def _bytes_at_the_end(content: bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / METRICS_FILE
        path.write_bytes(path.read_bytes() + content)

    return change


def _circle(folder: Path) -> None:
    metrics = folder / METRICS_FILE
    metrics.write_text("from .trainer import mean\n" + metrics.read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "dlvc" / "trainer.py").write_text("from .metrics import SegMetrics\nmean = sum\n", encoding="utf-8")


SYNTAX, MISSING, EXIT = "Import: syntax error", "Import: missing dependency", "Import: exits"
NETWORK, SETTINGS = "Import: download or login", "Import: changes settings"
OFFLINE = {"flags": frozenset({"network"}), "checks": ONE_METRIC, "seconds": 8}

IMPORT = (
    failed(SYNTAX, "syntax_error", "x = = 1", "SyntaxError in dlvc/metrics.py:"),
    failed(SYNTAX, "indentation_error", "def f():\nreturn 1", "IndentationError in dlvc/metrics.py:"),
    failed(SYNTAX, "tabs_and_spaces", "if True:\n\tx = 1\n        y = 2", "TabError in dlvc/metrics.py:"),
    failed(SYNTAX, "python_2", "print 'mIoU'", "SyntaxError in dlvc/metrics.py:"),
    failed(SYNTAX, "merge_conflict", "<<<<<<< HEAD\nx = 1", "SyntaxError in dlvc/metrics.py:"),
    failed(SYNTAX, "null_byte", "", "null bytes", change=_bytes_at_the_end(b"x = '\0'\n")),
    failed(SYNTAX, "not_utf8", "", "SyntaxError", change=_bytes_at_the_end("x = 'für'\n".encode("latin-1"))),
    failed(SYNTAX, "brackets_too_deep", "x = " + "(" * 5000, "dlvc/metrics.py:"),
    failed(MISSING, "missing_package", "import mmsegmentation_of_mine", "'mmsegmentation_of_mine'"),
    failed(MISSING, "missing_own_module", "from .losses import dice", "dlvc/losses.py"),
    failed(MISSING, "missing_name", "from torch import no_such_thing", "ImportError in dlvc/metrics.py:"),
    failed(MISSING, "circular_import", "", "ImportError", change=_circle),
    killed("Import: endless loop", "endless_loop_at_import", "while True: pass"),
    killed("Import: endless loop", "waits_for_input", "import time\nwhile True: time.sleep(1)"),
    failed("Import: endless loop", "asks_for_input", "lr = float(input('learning rate? '))", "EOFError"),
    failed(EXIT, "exits_with_0", "import sys; sys.exit(0)", "SystemExit in dlvc/metrics.py:"),
    failed(EXIT, "exits_at_once", "import os; os._exit(0)", "exit code 0"),
    failed(EXIT, "exits_with_3", "import os; os._exit(3)", "exit code 3"),
    failed(EXIT, "quits", "quit()", "SystemExit"),
    failed(EXIT, "keyboard_interrupt", "raise KeyboardInterrupt", "KeyboardInterrupt in dlvc/metrics.py:"),
    failed(EXIT, "generator_exit", "raise GeneratorExit", "GeneratorExit"),
    failed(EXIT, "exec_of_true", "import os; os.execv('/usr/bin/true', ['true'])", "exit code 0"),
    graded("Import: parse_args()", "parse_args", "import argparse; argparse.ArgumentParser().parse_args()"),
    failed(
        "Import: parse_args()",
        "parse_args_with_a_required_one",
        "import argparse; p = argparse.ArgumentParser(); p.add_argument('--lr', required=True); p.parse_args()",
        "SystemExit",
    ),
    failed(
        NETWORK,
        "download_by_urllib",
        "import urllib.request; urllib.request.urlopen('http://192.0.2.1/weights.pth')",
        "no network",
        **OFFLINE,
    ),
    failed(
        NETWORK,
        "download_by_torch",
        "import torch; torch.hub.load_state_dict_from_url('https://download.pytorch.org/models/resnet18-f37072fd.pth')",
        "no network",
        **OFFLINE,
    ),
    failed(
        NETWORK,
        "download_by_torchvision",
        "import torchvision; torchvision.models.resnet18(weights='DEFAULT')",
        "no network",
        **OFFLINE,
    ),
    failed(
        NETWORK,
        "connects",
        "import socket; socket.create_connection(('192.0.2.1', 80))",
        "no network",
        **OFFLINE,
    ),
    graded(NETWORK, "login_at_wandb", "import wandb; wandb.login(); wandb.init(project='x').log({'loss': 1})"),
    graded(SETTINGS, "default_dtype", "torch.set_default_dtype(torch.float64)"),
    graded(SETTINGS, "default_device", "torch.set_default_device('cpu')"),
    # Its own tensors are without values then, but nobody else's.
    failed(SETTINGS, "default_device_meta", "torch.set_default_device('meta')", "meta", checks=ONE_METRIC),
    graded(SETTINGS, "default_device_meta_elsewhere", "torch.set_default_device('meta')", file="train.py"),
    graded(SETTINGS, "grad_mode", "torch.set_grad_enabled(False)"),
    graded(SETTINGS, "seeds", "import random\ntorch.manual_seed(0); random.seed(0)"),
    graded(SETTINGS, "deterministic_algorithms", "torch.use_deterministic_algorithms(True)", checks=ONE_METRIC),
    graded(SETTINGS, "anomaly_detection", "torch.autograd.set_detect_anomaly(True)"),
    graded(SETTINGS, "threads_of_torch", "torch.set_num_threads(8); torch.set_num_interop_threads(8)"),
    graded(SETTINGS, "print_options", "torch.set_printoptions(precision=0)"),
    graded(SETTINGS, "start_method", "import torch.multiprocessing as m; m.set_start_method('spawn', force=True)"),
    graded(SETTINGS, "working_folder", "import os; os.chdir('/')"),
    graded(SETTINGS, "warnings_as_errors", "import warnings; warnings.simplefilter('error')"),
    graded(SETTINGS, "no_logging", "import logging; logging.disable(); logging.getLogger().setLevel(100)"),
    graded(SETTINGS, "lowest_priority", "import os; os.nice(19)"),
    graded(SETTINGS, "umask", "import os; os.umask(0o777)"),
    graded(SETTINGS, "environment_emptied", "import os; os.environ.clear()"),
    graded(SETTINGS, "arguments_emptied", "import sys; sys.argv.clear()"),
    graded(SETTINGS, "no_garbage_collection", "import gc; gc.disable(); gc.freeze()"),
    graded(SETTINGS, "excepthook", "import sys; sys.excepthook = sys.unraisablehook = lambda *_: None"),
    graded(SETTINGS, "interrupt_handler", "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"),
    graded(SETTINGS, "faulthandler", "import faulthandler; faulthandler.enable()"),
    graded(SETTINGS, "matplotlib_with_a_window", "import matplotlib; matplotlib.use('TkAgg', force=False)"),
)
