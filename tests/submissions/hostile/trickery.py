"""Submissions that bend Python itself: modules in the place of others, odd errors, a changed interpreter."""

from collections.abc import Callable
from pathlib import Path

from tests.submissions.hostile.cases import ONE_METRIC, READERS, Case, add, failed, graded, in_update

SHADOWS, WORDS, GAME = (
    "Tampering: modules named like ours",
    "Tampering: words that act",
    "Tampering: interpreter",
)


def _shadow(*names: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        for name in names:
            add(folder, name, "raise SystemExit('a module of the hand-in took the place of another one')")

    return change


SHADOWING = (
    graded(
        SHADOWS,
        "package_named_grader",
        change=_shadow(
            "grader/__init__.py", "grader/worker/__init__.py", "grader/worker/serve.py", "grader/probes/metrics.py"
        ),
    ),
    graded(SHADOWS, "module_named_torch", change=_shadow("torch.py")),
    graded(SHADOWS, "module_named_numpy", change=_shadow("numpy.py")),
    graded(
        SHADOWS, "modules_of_the_library", change=_shadow("typing.py", "json.py", "time.py", "socket.py", "random.py")
    ),
    graded(
        SHADOWS,
        "modules_that_come_late",
        change=_shadow("brotli.py", "pypdf.py", "safetensors.py", "tempfile.py"),
        checks=(*ONE_METRIC, "handin.report_is_pdf", "handin.report_length", "handin.report_pictures"),
    ),
    graded(
        SHADOWS,
        "conftest_and_sitecustomize",
        change=_shadow("conftest.py", "dlvc/conftest.py", "sitecustomize.py", "usercustomize.py", "pytest.py"),
    ),
    graded(
        SHADOWS,
        "dlvc_of_its_own_in_sys_modules",
        "import sys, types; sys.modules['dlvc.models'] = types.ModuleType('x')",
        file="train.py",
    ),
)

ODD_ERRORS = (
    failed(
        WORDS,
        "escape_sequences",
        in_update("raise ValueError('\\x1b[2J\\x1b[32m PASSED \\x07')"),
        "ValueError in dlvc/metrics.py:",
        checks=READERS,
    ),
    failed(
        WORDS,
        "markup",
        in_update("raise ValueError('<script>alert(1)</script>[red]]]>&lt;')"),
        "ValueError in dlvc/metrics.py:",
        checks=READERS,
    ),
    failed(
        WORDS,
        "lone_surrogates",
        in_update("raise ValueError('\\ud800')"),
        "ValueError in dlvc/metrics.py:",
        checks=READERS,
    ),
    failed(
        WORDS,
        "right_to_left",
        in_update("raise ValueError('\\u202e\\u2066 dessaP')"),
        "ValueError in dlvc/metrics.py:",
        checks=READERS,
    ),
    failed(
        WORDS,
        "null_in_a_message",
        in_update("raise ValueError('a\\0b')"),
        "ValueError in dlvc/metrics.py:",
        checks=READERS,
    ),
    failed(
        WORDS,
        "message_that_raises",
        "class Odd(Exception):\n    def __str__(self): raise KeyError\n" + in_update("raise Odd"),
        "cannot be printed",
        checks=READERS,
    ),
    failed(
        WORDS,
        "message_that_exits",
        "class Odd(Exception):\n    def __str__(self): raise SystemExit(0)\n" + in_update("raise Odd"),
        "",
        checks=ONE_METRIC,
    ),
    failed(
        WORDS,
        "message_that_hangs",
        "class Odd(Exception):\n    def __str__(self):\n        while True: pass\n" + in_update("raise Odd"),
        "time limit",
        checks=ONE_METRIC,
        seconds=1.5,
    ),
    failed(
        WORDS,
        "class_that_cannot_be_asked",
        "class Meta(type):\n    def __getattribute__(cls, name): raise SystemExit(0)\n"
        "class Odd(Exception, metaclass=Meta): pass\n" + in_update("raise Odd"),
        "",
        checks=ONE_METRIC,
    ),
    failed(
        WORDS,
        "class_with_a_long_name",
        "Odd = type('x' * 10_000_000, (Exception,), {})\n" + in_update("raise Odd"),
        "",
        checks=ONE_METRIC,
    ),
    failed(WORDS, "odd_errno", in_update("raise OSError('odd', 'x')"), "", checks=ONE_METRIC),
    failed(
        WORDS,
        "errno_of_another_type",
        "class Odd(OSError):\n    errno = 'x'\n" + in_update("raise Odd"),
        "",
        checks=ONE_METRIC,
    ),
    failed(
        WORDS,
        "group_of_errors",
        in_update("raise ExceptionGroup('many', [ValueError(), TypeError()])"),
        "ExceptionGroup",
        checks=ONE_METRIC,
    ),
    failed(
        WORDS,
        "chain_of_errors",
        in_update(
            "error = None\nfor i in range(3000):\n    after = ValueError(i)\n"
            "    after.__cause__ = error; error = after\n"
            "raise error"
        ),
        "ValueError",
        checks=ONE_METRIC,
    ),
    failed(
        WORDS,
        "not_written_pretended",
        in_update("raise NotImplementedError('later')"),
        "Not written yet",
        checks=ONE_METRIC,
    ),
    graded(WORDS, "prints_escape_sequences", in_update("print('\\x1b[2J\\x1b]0;title\\x07<b>')")),
)

GAMES = (
    graded(GAME, "recursion_limit", "import sys; sys.setrecursionlimit(10 ** 6)"),
    graded(GAME, "traces", "import sys; sys.settrace(lambda *_: None); sys.setprofile(lambda *_: None)"),
    graded(GAME, "switch_interval", "import sys; sys.setswitchinterval(1e-6)"),
    graded(
        GAME,
        "audit_hook_that_refuses",
        "import sys\ndef hook(event, _):\n"
        "    if event == 'socket.connect': raise SystemExit(0)\nsys.addaudithook(hook)",
    ),
    graded(
        GAME,
        "imports_replaced",
        "import builtins, sys\n_import = builtins.__import__\n"
        "builtins.__import__ = lambda *a, **k: _import(*a, **k)\n"
        "sys.path_hooks.clear(); sys.path_importer_cache.clear()",
    ),
    failed(GAME, "modules_emptied", "import sys; sys.modules.clear()", "", checks=ONE_METRIC),
    graded(
        GAME,
        "alarms_forgotten",
        in_update("import grader.worker.alarms as alarms; alarms.WATCHED.clear()"),
        checks=ONE_METRIC,
    ),
    failed(GAME, "broken_json", "import json; json.dumps = None", "", checks=ONE_METRIC),
    failed(GAME, "open_replaced", in_update("raise SystemExit"), "SystemExit", checks=ONE_METRIC),
)

TRICKERY: tuple[Case, ...] = (*SHADOWING, *ODD_ERRORS, *GAMES)
