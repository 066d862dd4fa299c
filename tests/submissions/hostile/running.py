"""Submissions that run into a wall, or return what they should not, when their metric or their head is used."""

from grader.records import Isolation
from tests.submissions.hostile.cases import (
    HASTE_SECONDS,
    HEAD,
    HEAD_CHECKS,
    HEAD_FILE,
    ONE_METRIC,
    READERS,
    Case,
    failed,
    graded,
    head_is,
    in_update,
    killed,
    miou_is,
)

BUSY, SLEEP, MEMORY, CRASH = "Run: busy loop", "Run: sleep, deadlock", "Run: memory", "Run: segfault, abort"
BOMB, DAEMON, PRINTS = "Run: fork bomb, thread bomb", "Run: double-forked daemon", "Run: prints"
CHANNEL, DISK, WRONG = "Run: garbage or a giant frame", "Run: fills the disk", "Run: wrong return type, shape, dtype"
NAN, TENSORS = "Run: NaN or infinity", "Run: non-contiguous, expanded, requires_grad"

LONG = {"checks": ONE_METRIC, "seconds": 8}
HEAD_ONLY = {"file": HEAD_FILE, "checks": HEAD_CHECKS, "fails": HEAD}
HEAD_RIGHT = {"file": HEAD_FILE, "checks": HEAD_CHECKS}
DEEP = "for _ in range(2000): os.mkdir('d'); os.chdir('d')"
CHANNEL_NUMBERS = "for fd in range(3, 64):\n    try: os.{call}\n    except OSError: pass\n"


def _on_channel(data: str, then: str = "") -> str:
    return in_update(CHANNEL_NUMBERS.format(call=f"write(fd, {data})") + then)


HANGS = (
    killed(BUSY, "busy_in_python", in_update("while True: pass")),
    killed(BUSY, "busy_in_a_regular_expression", in_update("import re; re.match('(a+)+$', 'a' * 60 + 'b')")),
    killed(BUSY, "busy_in_a_power", in_update("3 ** 10 ** 9")),
    killed(BUSY, "busy_in_a_sum", in_update("sum(range(10 ** 12))")),
    killed(BUSY, "busy_in_torch", in_update("m = torch.ones(2000, 2000)\nwhile True: m = m @ m / 2000")),
    killed(BUSY, "busy_in_every_process", in_update("os.fork(); os.fork()\nwhile True: pass")),
    killed(SLEEP, "sleeps", in_update("time.sleep(1000)")),
    killed(SLEEP, "deadlock", in_update("import threading; lock = threading.Lock(); lock.acquire(); lock.acquire()")),
    killed(SLEEP, "reads_an_empty_pipe", in_update("os.read(os.pipe()[0], 1)")),
    killed(SLEEP, "waits_for_a_child", in_update("os.fork() or time.sleep(1000)\nos.wait()")),
    killed(SLEEP, "stops_itself", in_update("import signal; signal.raise_signal(signal.SIGSTOP)")),
    killed(
        "Run: ignores SIGTERM",
        "ignores_signals",
        in_update(
            "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\n"
            "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(1000)"
        ),
    ),
    killed(SLEEP, "many_short_calls", "import time\nfor _ in range(10 ** 6): time.sleep(0.001)"),
)

LIMITS = (
    killed(
        MEMORY,
        "memory_grows",
        in_update("kept = []\nwhile True: kept.append(bytearray(os.urandom(4096) * 2500)); time.sleep(0.005)"),
        "over the limit of",
        seconds=20,
    ),
    killed(
        MEMORY,
        "memory_in_many_processes",
        in_update("for _ in range(4): os.fork()\nkept = bytearray(os.urandom(4096) * 12000); time.sleep(100)"),
        "over the limit of",
        seconds=20,
    ),
    # Such memory belongs to no process, so it is not given at all.
    failed(MEMORY, "memory_in_nameless_files", in_update("os.memfd_create('m')"), "PermissionError", checks=ONE_METRIC),
    killed(
        MEMORY,
        "memory_grows_behind_deep_folders",
        in_update(
            "for _ in range(2000): os.mkdir('d'); os.chdir('d')\ntime.sleep(0.5); kept = []\n"
            "for _ in range(90): kept.append(bytearray(os.urandom(4096) * 2500))\ntime.sleep(1)"
        ),
        "over the limit of",
        tiers=(Isolation.BUBBLEWRAP,),
        seconds=20,
    ),
    failed(MEMORY, "one_huge_tensor", in_update("torch.empty(10 ** 13)"), "MiB of memory", checks=ONE_METRIC),
    failed(MEMORY, "one_huge_bytearray", in_update("bytearray(10 ** 13)"), "MiB of memory", checks=ONE_METRIC),
    failed(MEMORY, "one_huge_list", in_update("[0] * 10 ** 12"), "MiB of memory", checks=ONE_METRIC),
    failed(
        BOMB,
        "thread_bomb",
        in_update(
            "import threading\nwhile True: threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()"
        ),
        "processes and threads",
        **LONG,
    ),
    failed(BOMB, "fork_bomb", in_update("while True: os.fork()"), "", **LONG),
    failed(
        BOMB,
        "fork_bomb_that_sleeps",
        in_update("for _ in range(500):\n    if os.fork() == 0: time.sleep(1000)"),
        "processes",
        **LONG,
    ),
    failed(
        BOMB,
        "fork_chain",
        in_update("while os.fork() == 0: pass\ntime.sleep(1000)"),
        "",
        checks=ONE_METRIC,
        seconds=HASTE_SECONDS,
    ),
    graded(
        DAEMON,
        "daemon",
        in_update("""
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.execv("/usr/bin/sleep", ["MARK", "1000"])
            os._exit(0)
    """),
        checks=ONE_METRIC,
    ),
    graded(
        DAEMON,
        "daemon_without_a_channel",
        in_update("""
        if os.fork() == 0:
            os.setsid()
            os.closerange(0, 256)
            if os.fork() == 0:
                os.execv("/usr/bin/sleep", ["MARK", "1000"])
            os._exit(0)
    """),
        checks=ONE_METRIC,
    ),
    graded(
        DAEMON,
        "shell_in_the_background",
        in_update("os.system('(exec -a MARK sleep 1000) & (setsid sh -c \"exec -a MARK sleep 1000\" &) 2>/dev/null')"),
        checks=ONE_METRIC,
    ),
    graded(
        DAEMON,
        "threads_go_on",
        in_update("import threading; threading.Thread(target=time.sleep, args=(1000,)).start()"),
        checks=ONE_METRIC,
    ),
    graded(DAEMON, "hangs_at_exit", "import atexit, time; atexit.register(time.sleep, 1000)"),
    graded(
        DAEMON,
        "hangs_when_deleted",
        "class Stone:\n    def __del__(self):\n        import time; time.sleep(1000)\nSTONE = Stone()",
    ),
    failed(
        DISK,
        "one_big_file",
        in_update("with open('big', 'wb') as f:\n    while True: f.write(bytes(1 << 20))"),
        "limit",
        **LONG,
    ),
    failed(
        DISK,
        "many_big_files",
        in_update("for i in range(8):\n    with open(f'big{i}', 'wb') as f: f.write(bytes(60 << 20))"),
        "limit",
        **LONG,
    ),
    graded(DISK, "many_files", in_update("for i in range(2000): open(f'small{i}', 'w').close()"), checks=ONE_METRIC),
    # Bubblewrap's /tmp has a size. A folder of the host has to be measured ten times a second.
    graded(DISK, "deep_folders", in_update(DEEP), checks=ONE_METRIC, tiers=(Isolation.BUBBLEWRAP,)),
    killed(
        DISK,
        "deep_folders_of_the_host",
        in_update(f"{DEEP}\ntime.sleep(1000)"),
        "cannot be measured",
        tiers=(Isolation.LANDLOCK,),
        seconds=10,
    ),
    failed(
        DISK,
        "many_open_files",
        in_update("kept = [open('/dev/null') for _ in range(10 ** 5)]"),
        "open files",
        checks=ONE_METRIC,
    ),
    failed(
        "Run: deep recursion",
        "deep_recursion",
        in_update("def f(): f()\nf()"),
        "RecursionError in dlvc/metrics.py:",
        checks=ONE_METRIC,
    ),
    failed(
        "Run: deep recursion",
        "no_recursion_limit",
        in_update("sys.setrecursionlimit(10 ** 9); x = []\nfor _ in range(10 ** 6): x = [x]\nrepr(x)"),
        "",
        checks=ONE_METRIC,
    ),
)

DEATHS = (
    failed(CRASH, "segmentation_fault", in_update("import ctypes; ctypes.string_at(0)"), "SIGSEGV"),
    failed(CRASH, "abort", in_update("os.abort()"), "SIGABRT"),
    failed(CRASH, "bus_error", in_update("import signal; signal.raise_signal(signal.SIGBUS)"), "SIGBUS"),
    failed(CRASH, "kills_itself", in_update("import signal; signal.raise_signal(signal.SIGKILL)"), "SIGKILL"),
    failed(CRASH, "terminates_itself", in_update("import signal; signal.raise_signal(signal.SIGTERM)"), "SIGTERM"),
    failed(CRASH, "alarm", in_update("import signal; signal.setitimer(0, 0.05); time.sleep(5)"), "SIGALRM"),
    failed(CRASH, "real_time_signal", in_update("import signal; signal.raise_signal(40)"), "signal"),
    failed(
        CRASH,
        "dies_later",
        in_update("import faulthandler; faulthandler.dump_traceback_later(0.1, exit=True); time.sleep(5)"),
        "exit code 1",
    ),
    failed(CHANNEL, "garbage", _on_channel("b'x' * 64"), "not readable"),
    failed(CHANNEL, "giant_frame", _on_channel("b'\\xff' * 8"), "over the cap"),
    failed(CHANNEL, "half_a_frame", _on_channel("b'\\0\\0\\1\\0\\0\\0\\0\\0{'", "os._exit(0)"), "exit code 0"),
    killed(CHANNEL, "half_a_frame_for_ever", _on_channel("b'\\0\\0\\1\\0\\0\\0\\0\\0{'", "time.sleep(1000)")),
    killed(
        CHANNEL,
        "a_byte_at_a_time",
        _on_channel(
            "b'\\0\\0\\1\\0\\0\\0\\0\\0'",
            "while True:\n    "
            + CHANNEL_NUMBERS.format(call="write(fd, b' ')").replace("\n", "\n    ")
            + "\n    time.sleep(0.05)",
        ),
    ),
    failed(CHANNEL, "no_json", _on_channel("b'\\0\\0\\0\\4\\0\\0\\0\\0NULL'"), "not readable"),
    failed(CHANNEL, "deep_json", _on_channel("b'\\0\\0\\x10\\0\\0\\0\\0\\0' + b'[' * 4096"), "not readable"),
    failed(CHANNEL, "another_answer", _on_channel("b'\\0\\0\\0\\2\\0\\0\\0\\0[]'"), "not readable"),
    failed("Run: closes its descriptors", "closes_its_descriptors", in_update("os.closerange(3, 256)"), "exit code"),
    graded(
        "Run: closes its descriptors",
        "closes_its_output",
        in_update("\nfor fd in (1, 2):\n    try: os.close(fd)\n    except OSError: pass"),
    ),
    graded(PRINTS, "prints_megabytes", in_update("print('x' * 3_000_000); print('y' * 3_000_000, file=sys.stderr)")),
    graded(PRINTS, "writes_megabytes", in_update("for _ in range(300): os.write(1, b'\\0\\xff' * 5000)")),
    graded(PRINTS, "prints_in_another_process", in_update("os.system('yes | head -c 3000000')")),
    graded(PRINTS, "no_standard_output", "import sys; sys.stdout = sys.stderr = None"),
    graded(PRINTS, "its_own_standard_output", "import sys, io; sys.stdout = sys.stderr = io.StringIO()"),
    failed(
        PRINTS,
        "raises_megabytes",
        in_update("raise ValueError('x' * 50_000_000)"),
        "ValueError in dlvc/metrics.py:",
        checks=ONE_METRIC,
    ),
)

READ = {"checks": READERS}

ANSWERS = (
    failed(WRONG, "miou_is_none", miou_is("None"), "mIoU() should return a number, but returned None", **READ),
    failed(WRONG, "miou_is_text", miou_is("str(value)"), "mIoU() should return a number", **READ),
    failed(
        WRONG,
        "miou_is_a_pair",
        miou_is("(value, value)"),
        "mIoU() should return a number, but returned a tuple",
        **READ,
    ),
    failed(WRONG, "miou_of_each_class", miou_is("torch.tensor([value] * 3)"), "a tensor of shape (3,)", **READ),
    failed(WRONG, "miou_is_complex", miou_is("complex(value)"), "mIoU() should return a number", **READ),
    failed(WRONG, "miou_is_a_function", miou_is("lambda: value"), "mIoU() should return a number", **READ),
    failed(WRONG, "miou_is_too_long_an_integer", miou_is("10 ** 400"), "", **READ),
    failed(
        WRONG,
        "miou_raises_when_read",
        "class Bad(float):\n    def __float__(self): raise TabError('no')\n" + miou_is("Bad(value)"),
        "TabError in dlvc/metrics.py:",
        **READ,
    ),
    killed(
        WRONG,
        "miou_hangs_when_read",
        "class Bad:\n    def __float__(self):\n        while True: pass\n" + miou_is("Bad()"),
    ),
    failed(WRONG, "text_is_none", "SegMetrics.__str__ = lambda self: None", "__str__ should return a string", **READ),
    failed(
        WRONG,
        "text_is_bytes",
        "SegMetrics.__str__ = lambda self: b'mIoU: 0.5'",
        "__str__ should return a string",
        **READ,
    ),
    failed(
        WRONG,
        "text_is_empty",
        "SegMetrics.__str__ = lambda self: ''",
        "str() should name the measure",
        fails=frozenset({"metrics.text"}),
    ),
    failed(WRONG, "text_of_megabytes", "SegMetrics.__str__ = lambda self: 'mIoU: ' * 10 ** 6", "", **READ),
    failed(
        NAN,
        "miou_is_nan",
        miou_is("float('nan')"),
        "nan",
        fails=frozenset({"metrics.worked_example", "metrics.nothing_seen", "metrics.text", "metrics.inputs_unchanged"}),
    ),
    failed(
        NAN,
        "miou_is_infinite",
        miou_is("float('inf')"),
        "inf",
        checks=READERS,
    ),
    failed(NAN, "head_with_nan", head_is("value * float('nan')"), "nan", **HEAD_ONLY),
    failed(
        NAN, "head_with_one_nan", head_is("value.index_fill(0, torch.tensor([0]), float('nan'))"), "nan", **HEAD_ONLY
    ),
    failed(NAN, "head_with_infinity", head_is("value / 0"), "inf", **HEAD_ONLY),
    failed(WRONG, "head_is_none", head_is("None"), "SegFormerHead.forward should return a tensor", **HEAD_ONLY),
    failed(WRONG, "head_is_a_tuple", head_is("(value, value)"), "but returned a tuple of 2", **HEAD_ONLY),
    failed(WRONG, "head_is_an_array", head_is("value.numpy()"), "should return a tensor", **HEAD_ONLY),
    failed(WRONG, "head_without_a_batch", head_is("value[0]"), "shape (3,", **HEAD_ONLY),
    failed(WRONG, "head_flattened", head_is("value.flatten()"), "shape (", **HEAD_ONLY),
    failed(WRONG, "head_with_one_dimension_more", head_is("value[None]"), "shape (1,", **HEAD_ONLY),
    failed(WRONG, "head_with_ten_dimensions", head_is("value[(None,) * 6]"), "", **HEAD_ONLY),
    failed(WRONG, "head_is_empty", head_is("value[:0]"), "shape (0,", **HEAD_ONLY),
    failed(WRONG, "head_of_integers", head_is("value.long()"), "gives other scores", **HEAD_ONLY),
    failed(WRONG, "head_of_booleans", head_is("value > 0"), "gives other scores", **HEAD_ONLY),
    failed(WRONG, "head_in_bfloat16", head_is("value.bfloat16()"), "gives other scores", **HEAD_ONLY),
    failed(WRONG, "head_is_complex", head_is("torch.complex(value, value)"), "complex", **HEAD_ONLY),
    failed(WRONG, "head_is_complex_and_right", head_is("value + 0j"), "complex", **HEAD_ONLY),
    failed(WRONG, "head_is_sparse", head_is("value.to_sparse()"), "parse", **HEAD_ONLY),
    failed(WRONG, "head_is_on_meta", head_is("value.to('meta')"), "meta", **HEAD_ONLY),
    failed(
        WRONG, "head_is_quantized", head_is("torch.quantize_per_tensor(value, 0.1, 0, torch.quint8)"), "", **HEAD_ONLY
    ),
    failed(WRONG, "head_in_eight_bits", head_is("value.to(torch.float8_e4m3fn)"), "", **HEAD_ONLY),
    failed(WRONG, "head_is_huge_when_copied", head_is("torch.zeros(1).expand(10 ** 12)"), "", **HEAD_ONLY),
    failed(
        WRONG, "head_over_the_cap", head_is("torch.zeros(35_000_000, dtype=torch.float64)"), "over the ", **HEAD_ONLY
    ),
    graded(TENSORS, "head_in_float64", head_is("value.double()"), **HEAD_RIGHT),
    graded(TENSORS, "head_not_contiguous", head_is("value.to(memory_format=torch.channels_last)"), **HEAD_RIGHT),
    graded(TENSORS, "head_requires_grad", head_is("value.clone().requires_grad_()"), **HEAD_RIGHT),
    graded(TENSORS, "head_is_a_parameter", head_is("torch.nn.Parameter(value)"), **HEAD_RIGHT),
    graded(TENSORS, "head_is_conjugated", head_is("torch.complex(value, value).conj().real"), **HEAD_RIGHT),
    graded(TENSORS, "head_is_negated_lazily", head_is("torch.complex(value, -value).conj().imag"), **HEAD_RIGHT),
    graded(
        TENSORS,
        "head_is_a_subclass",
        "import torch\nclass Mine(torch.Tensor): pass\n" + head_is("value.as_subclass(Mine)"),
        **HEAD_RIGHT,
    ),
    graded(TENSORS, "head_is_expanded", head_is("value[:, :, None].expand(-1, -1, 2, -1, -1)[:, :, 0]"), **HEAD_RIGHT),
)

RUN: tuple[Case, ...] = (*HANGS, *LIMITS, *DEATHS, *ANSWERS)
