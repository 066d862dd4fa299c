"""What nobody compiles needs no compiler; whoever does gets the real one."""

import subprocess
import sys

import pytest

START = """
import sys
import torch
from grader.worker.compiler import StandIn, postpone_compiler
postpone_compiler()
import torchvision.transforms.v2
layer = torch.nn.Linear(2, 2)
optimizer = torch.optim.AdamW(layer.parameters(), amsgrad=True)
def train():
    optimizer.zero_grad()
    layer(torch.ones(3, 2)).sum().backward()
    optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
    return torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.98)
train()
def postponed():
    return isinstance(sys.modules["torch._dynamo"], StandIn)
"""


def run(code: str) -> str:
    """What code prints in a fresh process that has postponed the compiler, imported torchvision and trained."""
    command = [sys.executable, "-W", "ignore", "-c", START + code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_training_needs_no_compiler() -> None:
    """Neither torchvision nor an optimizer imports it, nor whoever looks through all modules."""
    assert run("import inspect; inspect.getmodule(train, 'nowhere'); print(postponed())") == "True"


@pytest.mark.parametrize(
    "probe",
    [
        "from grader.probes.weights import gradients; gradients(layer, layer(torch.ones(3, 2)), 1)",
        "from grader.probes.supplies import Supplier; from grader.probes.trainings import Trainings; "
        "Supplier(1, Trainings()).install(); "
        "torchvision.models.resnet50(weights='DEFAULT')",
    ],
    ids=["gradients", "trained weights"],
)
def test_no_probe_needs_the_compiler(probe: str) -> None:
    """Nor its symbols: a child of each check would import them anew."""
    assert run(f"{probe}\nprint(postponed(), 'sympy' in sys.modules)") == "True False"


@pytest.mark.parametrize(
    "use",
    [
        "assert torch.compile(layer, backend='eager')(torch.ones(1, 2)).shape == (1, 2)",
        "import torch._dynamo.config; assert torch._dynamo.config is sys.modules['torch._dynamo.config']",
        pytest.param("from torch._dynamo import optimize; optimize", marks=pytest.mark.nightly),
        pytest.param("from torch._dynamo.utils import counters; counters", marks=pytest.mark.nightly),
        "from torchvision.ops.roi_align import is_compile_supported; is_compile_supported('cpu')",
    ],
    ids=["a network is compiled", "a module of it", "a name of it", "a name of its module", "by torchvision"],
)
def test_whoever_asks_for_the_compiler_gets_it(use: str) -> None:
    """However it is asked for, the real compiler takes the place of its stand-in, and training goes on."""
    assert run(f"{use}\ntrain()\nprint(postponed(), sys.modules['torch._dynamo'] is torch._dynamo)") == "False True"


def test_a_compiler_that_is_there_stays() -> None:
    """Where it was imported before, there is nothing to postpone."""
    assert run("import torch._dynamo.eval_frame as there; postpone_compiler(); print(postponed())") == "False"
