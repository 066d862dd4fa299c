"""Submissions that reach for the grader or the solution, or answer without solving."""

from grader.files import ROOT
from tests.submissions.hostile.cases import (
    ALL_METRICS,
    ONE_METRIC,
    READERS,
    Case,
    failed,
    flagged,
    graded,
    in_update,
    miou_is,
)

PATCHES, EQUAL, SECRETS = "Tampering: patches", "Tampering: __eq__ always true", "Tampering: opens the reference"
WALKS, MUTATES, CACHES = "Tampering: walks frames or gc", "Tampering: mutates inputs", "Tampering: caches answers"
PUBLIC, CONSTANT = "Tampering: hard-coded public answers", "Tampering: constant metric"

LABELS = "metrics.rejects_labels"
COUNTED = ALL_METRICS - {LABELS}


def _patch(name: str, target: str, value: str = "lambda *_, **__: True", imports: str = "torch") -> Case:
    return flagged(PATCHES, f"patches_{name}", "patched", f"import {imports}\n{target} = {value}", checks=ONE_METRIC)


PATCHING = (
    _patch("allclose", "torch.allclose"),
    _patch("equal", "torch.equal"),
    _patch("isclose", "torch.isclose"),
    _patch("torch_testing", "torch.testing.assert_close", imports="torch.testing"),
    _patch("numpy_allclose", "numpy.allclose", imports="numpy"),
    _patch("synchronize", "torch.cuda.synchronize", "lambda *_: None"),
    _patch("the_clock", "time.perf_counter", "lambda: 0.0", imports="time"),
    _patch("the_monotonic_clock", "time.monotonic", "lambda: 0.0", imports="time"),
    _patch("sleep", "time.sleep", "lambda _: None", imports="time"),
    _patch("exit", "sys.exit", "lambda *_: None", imports="sys"),
    _patch("the_seed", "torch.manual_seed", "lambda *_: None"),
    _patch("a_probe", "grader.probes.metrics.kind", "lambda *_: ''", imports="grader.probes.metrics"),
    _patch("the_server", "grader.worker.serve.describe", "lambda *_: {}", imports="grader.worker.serve"),
    _patch("the_channel", "grader.worker.channel.Channel.close", "lambda self: None", imports="grader.worker.channel"),
    _patch(
        "allclose_and_forgets_the_originals",
        "torch.allclose",
        imports="torch, grader.worker.alarms as alarms\nalarms.originals().clear()",
    ),
    _patch(
        "code_in_place",
        "grader.worker.serve.describe.__code__",
        "(lambda error, submission: {}).__code__",
        imports="grader.worker.serve",
    ),
)

LOOKS = (
    flagged(
        WALKS,
        "walks_frames",
        "introspection",
        in_update("frame = sys._getframe()\nwhile frame: expected = frame.f_locals; frame = frame.f_back"),
    ),
    flagged(WALKS, "walks_frames_by_inspect", "introspection", in_update("import inspect; inspect.stack()")),
    flagged(
        WALKS,
        "walks_frames_of_a_traceback",
        "introspection",
        in_update(
            "try: raise ValueError\nexcept ValueError as error:\n    frame = error.__traceback__.tb_frame\n"
            "    while frame: expected = frame.f_locals; frame = frame.f_back"
        ),
    ),
    flagged(WALKS, "walks_frames_of_threads", "introspection", in_update("sys._current_frames()")),
    flagged(
        WALKS, "asks_gc", "introspection", in_update("import gc; [o for o in gc.get_objects() if type(o) is dict]")
    ),
    flagged(WALKS, "asks_gc_for_referrers", "introspection", in_update("import gc; gc.get_referrers(prediction)")),
    flagged(
        SECRETS, "opens_its_memory", "opened", in_update("open('/proc/self/mem', 'rb').close()"), checks=ONE_METRIC
    ),
    flagged(
        SECRETS, "opens_its_environment", "opened", in_update("open('/proc/self/environ').close()"), checks=ONE_METRIC
    ),
    *(
        failed(
            SECRETS,
            f"opens_{name}",
            in_update(f"open({str(ROOT / path)!r})"),
            "Error in dlvc/metrics.py:",
            flags=frozenset({"opened"}),
            checks=ONE_METRIC,
        )
        for name, path in {
            "the_reference": "reference/dlvc/metrics.py",
            "the_checks": "tests/checks/test_metrics.py",
            "the_rubric": "grader/rubric.toml",
            "the_results": "results/group_7/gradesheet.json",
        }.items()
    ),
    graded(
        SECRETS,
        "looks_for_the_checks",
        in_update(
            """
        import glob
        for pattern in ("/harness/**/test_*.py", "/**/tests/checks/*", "../**/rubric.toml"):
            assert not [name for name in glob.glob(pattern, recursive=True)][:1] or not pattern.startswith("/harness")
    """.replace('"/**/tests/checks/*", ', "")
        ),
        checks=ONE_METRIC,
    ),
    failed(SECRETS, "imports_the_reference", "import reference.dlvc.metrics", "reference"),
    failed(SECRETS, "imports_the_checks", "import tests.checks.test_metrics", "tests"),
    failed(SECRETS, "imports_the_plugin", "import grader.suite.plugin", "grader.suite.plugin"),
    graded(
        SECRETS,
        "reads_the_environment",
        """
        import os
        assert not {name for name in os.environ if "SECRET" in name or "TOKEN" in name or "SSH" in name}
    """,
    ),
)

VALUES = (
    failed(
        EQUAL,
        "equal_to_everything",
        "class Any(float):\n    def __eq__(self, other): return True\n"
        "    def __sub__(self, other): return 0.0\n    __rsub__ = __sub__\n    def __lt__(self, other): return True\n"
        "    __le__ = __gt__ = __ge__ = __lt__\n    __hash__ = float.__hash__\n    def __abs__(self): return 0.0\n"
        + miou_is("Any(0.123)"),
        "",
        fails=frozenset({"metrics.worked_example", "metrics.nothing_seen"}),
        checks=("metrics.worked_example", "metrics.nothing_seen", "metrics.rejects_labels", *ONE_METRIC[1:]),
    ),
    failed(
        EQUAL,
        "equal_object",
        "class Any:\n    def __eq__(self, other): return True\n"
        "    def __float__(self): return 0.123\n    def __array__(self, *_, **__): return self\n" + miou_is("Any()"),
        "",
        fails=frozenset({"metrics.worked_example", "metrics.nothing_seen"}),
        checks=("metrics.worked_example", "metrics.nothing_seen", *ONE_METRIC[1:]),
    ),
    graded(
        EQUAL,
        "text_of_a_subclass",
        "class Any(str):\n    def __eq__(self, other): return True\n"
        "    __hash__ = str.__hash__\n    def __len__(self): return 0\n    def encode(self, *_): return b''\n"
        "_text = SegMetrics.__str__\nSegMetrics.__str__ = lambda self: Any(_text(self))",
    ),
    graded(
        EQUAL,
        "number_of_a_subclass",
        "class Any(float):\n    def __repr__(self): return '1.0'\n"
        "    __str__ = __repr__\n    def __float__(self): return float.__add__(self, 0.0)\n" + miou_is("Any(value)"),
    ),
    failed(
        EQUAL,
        "instance_of_everything",
        "class Meta(type):\n    def __instancecheck__(cls, other): return True\n"
        "class Bad(metaclass=Meta):\n    __class__ = float\n" + miou_is("Bad()"),
        "mIoU() should return a number",
        checks=READERS,
    ),
    graded(
        EQUAL,
        "isinstance_replaced",
        in_update(
            "import builtins; builtins.isinstance, before = (lambda *_: True), builtins.isinstance\n"
            "builtins.isinstance = before"
        ),
    ),
    failed(
        MUTATES,
        "overwrites_the_target",
        in_update("target.fill_(0)"),
        "",
        checks=("metrics.inputs_unchanged", *ONE_METRIC[1:]),
    ),
    failed(
        MUTATES,
        "overwrites_the_prediction",
        in_update("prediction.sub_(1)"),
        "",
        checks=("metrics.inputs_unchanged", *ONE_METRIC[1:]),
    ),
    graded(
        MUTATES,
        "overwrites_a_copy_later",
        in_update(
            "import threading\ndef later(mine):\n    while True: mine.fill_(0)\n"
            "threading.Thread(target=later, args=(target.clone(),), daemon=True).start()"
        ),
        checks=ONE_METRIC,
    ),
    failed(
        MUTATES,
        "overwrites_the_target_later",
        in_update(
            "import threading\ndef later():\n    time.sleep(0.001)\n    while True: target.fill_(7)\n"
            "threading.Thread(target=later, daemon=True).start(); time.sleep(0.05)"
        ),
        "",
        checks=("metrics.inputs_unchanged", *ONE_METRIC[1:]),
    ),
    graded(
        CACHES,
        "caches_by_content",
        "CACHE = {}\n" + miou_is("CACHE.setdefault(tuple(self.confusion.flatten().tolist()), value)"),
    ),
    failed(
        CACHES,
        "caches_by_shape",
        "CACHE = {}\n" + miou_is("CACHE.setdefault(tuple(self.confusion.shape), value)"),
        "",
        checks=("metrics.nothing_seen", "metrics.one_image", *ONE_METRIC[1:]),
        fails=frozenset({"metrics.nothing_seen", "metrics.one_image"}),
    ),
    failed(
        CACHES,
        "caches_in_files",
        miou_is(
            "float(open('../kept').read()) if os.path.exists('../kept') else "
            "(open('../kept', 'w').write(str(value)), value)[1]"
        ),
        "",
        checks=("metrics.nothing_seen", "metrics.reset", *ONE_METRIC),
        fails=frozenset({"metrics.nothing_seen", "metrics.reset"}),
    ),
    failed(
        PUBLIC,
        "answer_of_the_worked_example",
        miou_is("(6 / 10 + 4 / 6 + 1 / 5) / 3"),
        "",
        checks=(
            "metrics.worked_example",
            "metrics.one_image",
            "metrics.accumulates",
            "metrics.nothing_seen",
            "metrics.many_classes",
            "metrics.reset",
            *ONE_METRIC[1:],
        ),
        fails=frozenset(
            {
                "metrics.one_image",
                "metrics.accumulates",
                "metrics.nothing_seen",
                "metrics.many_classes",
                "metrics.reset",
            }
        ),
    ),
    *(
        failed(CONSTANT, f"always_{name}", f"SegMetrics.mIoU = lambda self: {value}", "", fails=COUNTED)
        for name, value in {"0": "0.0", "1": "1.0", "half": "0.5", "nan": "float('nan')"}.items()
    ),
    failed(
        CONSTANT,
        "random_answers",
        "import random; random.seed()\n" + miou_is("random.random()"),
        "",
        checks=("metrics.one_image", *ONE_METRIC),
        fails=frozenset({"metrics.one_image", "metrics.worked_example"}),
    ),
)

TAMPERING: tuple[Case, ...] = (*PATCHING, *LOOKS, *VALUES)
