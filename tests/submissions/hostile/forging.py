"""Submissions that answer in the worker's place: they claim success in every way that a program can.

Each is code in `dlvc/__init__.py`, so that it runs before any piece of the hand-in. None of them solves a task: what it
sends is no function of what was asked, or is what the honest twin would send, under another name. A program that sends
the right values has solved the task, whichever way it sends them.
"""

from dataclasses import dataclass
from pathlib import Path

from tests.submissions.hostile.cases import add

PACKAGE = "dlvc/__init__.py"


@dataclass(frozen=True)
class Forgery:
    """A way to claim success.

    Args:
        name: the test's id.
        code: what runs when the package is imported.
    """

    name: str
    code: str

    def add_to(self, folder: Path) -> None:
        """Put it into a submission."""
        add(folder, PACKAGE, self.code)


def _every_answer_is(value: str) -> str:
    """Whatever the worker sends after the first import is an answer with this value."""
    return f"""
        import grader.worker.channel as channel
        _send = channel.Channel.send
        channel.Channel.send = lambda self, said, deadline: _send(
            self, {{"ok": True, "value": {value}, "alarms": []}}, deadline)
    """


def _frame(header: str) -> str:
    """A frame that is written past the worker's own code, on whichever descriptor the channel is, then the end."""
    return f"""
        import os, struct
        header = {header!r}.encode()
        for fd in range(3, 64):
            try: os.write(fd, struct.pack("!II", len(header), 0) + header)
            except OSError: pass
        os._exit(0)
    """


MIOU = '[{"miou": 1.0, "text": "mIoU: 1.00"}] * 9'
REACTION = '[{"raised": "ValueError", "bases": ["ValueError", "TypeError"], "message": "", "accident": None}] * 99'
GRID = '[{"H": 1.0, "W": 1.0, "num_patches": 1.0}] * 4'

FORGERIES = (
    *(
        Forgery(f"every_answer_is_{name}", _every_answer_is(value))
        for name, value in {
            "none": "None",
            "true": "True",
            "text": "'passed'",
            "one": "1.0",
            "empty": "{}",
            "an_empty_list": "[]",
            "an_miou_of_one": MIOU,
            "a_list_of_numbers": "[{'miou': 'high', 'text': 5}]",
            "a_list_of_tables": "[{'miou': {}, 'text': None}, {'miou': [[1]], 'text': []}, 3]",
            "a_reaction": REACTION,
            "a_grid": GRID,
            "a_deep_list": "[[[[[[[[[[1.0]]]]]]]]]]",
            "passed": "{'status': 'passed', 'score': 1, 'problem': None, 'pages': 4, 'drawn': 4}",
        }.items()
    ),
    Forgery("a_frame_of_success", _frame('{"ok": true, "value": true, "alarms": []}')),
    Forgery("a_frame_without_value", _frame('{"ok": true}')),
    Forgery("a_frame_of_points", _frame('{"ok": true, "value": {"status": "passed", "score": 1.0, "points": 40}}')),
    Forgery("a_frame_of_not_a_number", _frame('{"ok": true, "value": NaN}')),
    Forgery(
        "no_error_is_told",
        """
        import grader.worker.serve as serve
        serve.describe = lambda error, submission: {}
    """,
    ),
    Forgery(
        "errors_are_answers",
        """
        import grader.worker.channel as channel
        _send = channel.Channel.send
        def send(self, said, deadline):
            said["ok"] = True
            said["value"] = said.pop("error", None)
            _send(self, said, deadline)
        channel.Channel.send = send
    """,
    ),
    Forgery(
        "nothing_is_wrong",
        """
        import grader.worker.answers as answers, grader.worker.serve as serve
        answers.WrongAnswer.__init__ = lambda *_: None
        serve.describe = lambda error, submission: dict(type="", bases=[], message="", traceback="", where=None,
            wrong_answer=False, errno=None, missing_module=None, lacks=None, status="passed")
    """,
    ),
    Forgery("exit_code_0", "import atexit, os; os._exit(0)"),
    Forgery(
        "pytest_is_made_to_pass",
        """
        import builtins, sys, types
        for name in ("pytest", "_pytest", "hypothesis"):
            sys.modules[name] = types.ModuleType(name)
        builtins.AssertionError = Warning
    """,
    ),
    Forgery(
        "comparisons_are_true",
        """
        import numpy, torch
        for module in (numpy, torch):
            module.allclose = module.array_equal = module.equal = module.isclose = lambda *_, **__: True
        torch.testing.assert_close = lambda *_, **__: None
    """,
    ),
)
# A check whose expected answer is the same for every seed, or comes from the submission itself, can be sent by heart.
BY_HEART = (
    Forgery(
        "echo_of_the_inputs",
        """
        import grader.worker.channel as channel
        _send, _receive = channel.Channel.send, channel.Channel.receive
        def walk():
            try: raise ValueError
            except ValueError as error: frame = error.__traceback__.tb_frame
            while frame is not None and "request" not in frame.f_locals: frame = frame.f_back
            return frame.f_locals["request"]["arguments"]
        def send(self, said, deadline):
            arguments = {name: value for name, value in walk().items() if name in ("prediction", "target")}
            _send(self, {"ok": True, "value": {"miou": 1.0, **arguments}}, deadline)
        channel.Channel.send = send
    """,
    ),
    Forgery(
        "a_checkpoint",
        _every_answer_is('{"files": ["_TinyNet_model.pth", "_TinyNet_model_best.pth"], "before": 0.0, "after": 0.0}'),
    ),
)
