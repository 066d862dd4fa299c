"""Scripts without an interface: each finds what its author had, and each of its trainings is told as what it is."""

from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from grader.answers.script_form import Observed
from grader.checking import NotScored, Subject
from grader.checking.experiments import Experiments
from grader.checking.script_data import PET_ROOT, STREET_ROOT, pets, streets
from grader.checking.variations import Variation
from grader.probes.elsewhere import Elsewhere
from grader.sandbox import Worker

# A network as the handout's is built, of a few numbers, and trained on pictures that are read as torchvision does it.
MADE = """
    import os, sys
    from pathlib import Path
    import torch
    from PIL import Image
    from torch import nn
    class SegFormer(nn.Module):
        def __init__(self, classes):
            super().__init__()
            self.encoder, self.decoder = nn.Conv2d(3, 4, 1), nn.Conv2d(4, classes, 1)
        def forward(self, x):
            return self.decoder(self.encoder(x))
    def batch(root, folder):
        path = sorted(Path(root, folder).rglob("*.[jp][pn]g"))[0]
        image = Image.open(path).convert("RGB").resize((8, 8))
        return torch.tensor(list(image.getdata())).reshape(1, 8, 8, 3).permute(0, 3, 1, 2) / 255
    def train(net, parameters=None, root="/home/me/pets", folder="oxford-iiit-pet/images", num_epochs=31):
        optimizer = torch.optim.AdamW(parameters or net.parameters(), lr=0.01)
        for _ in range(num_epochs):
            scores = net(batch(root, folder))
            nn.functional.cross_entropy(scores, torch.zeros(1, 8, 8, dtype=torch.long)).backward()
            optimizer.step()
            optimizer.zero_grad()
    CITY = dict(root="E:/data", folder="leftImg8bit/train")
"""
Observe = Callable[..., Observed]


@pytest.fixture
def subject(place: tuple[Worker, Path]) -> Iterator[Subject]:
    """The submission, as a check has it."""
    subject = Subject(place[0], seed=1, any_device=True)
    yield subject
    subject.close()


def write(folder: Path, text: str) -> None:
    """Put a script into the submission."""
    path = folder / "train.py"
    path.write_text(dedent(MADE) + dedent(text))
    path.chmod(0o644)


@pytest.fixture
def observe(subject: Subject, place: tuple[Worker, Path], rng: np.random.Generator) -> Observe:
    """Run a script that does something with what `MADE` has."""

    def run(text: str, known: tuple[str, ...] = (), seconds: float = 15, **settings: object) -> Observed:
        write(place[1], text)
        subject.begin_again()
        subject.allow(20)
        answer = subject.behaviour_run(
            variation=Variation("train.py").told(),
            files=pets(rng) | streets(rng),
            data={"pets": PET_ROOT, "streets": STREET_ROOT},
            seed=7,
            known=list(known),
            settings={"seconds": seconds, "threads": 1, **settings},
        )
        assert isinstance(answer, Observed)
        return answer

    return run


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers."""
    return np.random.default_rng(1)


def kinds(observed: Observed) -> list[str]:
    """What each training was."""
    return [training.kind for training in observed.run.trainings]


def test_trainings_of_a_run_are_told_apart(observe: Observe) -> None:
    """By network and data set, wherever the script believes these to be; each has three of the 31 epochs."""
    observed = observe("train(SegFormer(3))\ntrain(SegFormer(19), **CITY)")
    assert observed.run.error is None
    assert kinds(observed) == ["segformer pets", "segformer streets"]
    assert [training.epochs for training in observed.run.trainings] == [31, 31]
    assert [step.of for step in observed.run.steps] == [0, 0, 0, 1, 1, 1]
    first, second = observed.run.only(0), observed.run.only(1)
    assert {loss.classes for loss in first.losses} == {3}
    assert {loss.classes for loss in second.losses} == {19}
    assert [len(second.optimizers), second.steps[0].optimizer] == [1, 0]


def test_two_optimizers_of_one_network_are_one_training(observe: Observe) -> None:
    """One for the encoder and one for the decoder, taking steps in turns."""
    observed = observe(
        """
        net = SegFormer(3)
        halves = [torch.optim.AdamW(half.parameters()) for half in (net.encoder, net.decoder)]
        for _ in range(2):
            net(batch("x", "oxford-iiit-pet/images")).sum().backward()
            for each in halves: each.step()
        """
    )
    assert kinds(observed) == ["segformer pets"]


def test_a_file_that_is_loaded_has_values_of_its_own(observe: Observe) -> None:
    """Whatever was saved, and wherever: what arrives in the network can only come from the file."""
    observed = observe(
        """
        first = SegFormer(19)
        train(first, **CITY)
        os.makedirs("/caa/me/saved", exist_ok=True)
        torch.save({"model": first.state_dict()}, "/caa/me/saved/city.pt")
        net = SegFormer(3)
        saved = torch.load("/caa/me/saved/city.pt", map_location="cuda:0")["model"]
        net.encoder.load_state_dict({k[8:]: v for k, v in saved.items() if k.startswith("encoder.")})
        assert not torch.equal(net.encoder.weight, first.encoder.weight)
        net.encoder.requires_grad_(False)
        train(net, net.decoder.parameters())
        """
    )
    assert observed.run.error is None, observed.run.error
    assert kinds(observed) == ["segformer streets", "segformer pets loaded frozen"]
    tuned = observed.run.trainings[1]
    (file,) = tuned.loaded.values()
    assert tuned.start["encoder.weight"] in file.values()
    assert tuned.start["decoder.weight"] not in file.values()
    assert tuned.final["encoder.weight"] == tuned.start["encoder.weight"]
    assert tuned.final["decoder.weight"] != tuned.start["decoder.weight"]
    assert [name.rpartition("/")[2] for name in observed.left] == ["city.pt"]


def test_the_last_weights_are_those_of_the_last_step(observe: Observe) -> None:
    """A best model that is loaded afterwards, to be evaluated, is not what training has left."""
    observed = observe(
        """
        net = SegFormer(3)
        net.encoder.requires_grad_(False)
        torch.save(net.state_dict(), "best.pth")
        train(net, net.decoder.parameters())
        net.load_state_dict(torch.load("best.pth"))
        """
    )
    (training,) = observed.run.trainings
    assert training.final["encoder.weight"] == training.start["encoder.weight"]


def test_a_file_that_nobody_has_is_answered(observe: Observe) -> None:
    """With one as the hand-in's own run has written, or else of nothing."""
    observed = observe(
        """
        torch.save(SegFormer(19).state_dict(), "city_last.pth")
        state = torch.load(r"E:\\Uni\\weights\\pretrained.pth")
        assert state["decoder.weight"].shape[0] == 19
        """
    )
    assert observed.run.error is None, observed.run.error


def test_freezing_that_freezes_nothing_is_told(observe: Observe) -> None:
    """An attribute of a module, or a word that a parameter does not know."""
    for line in ("net.encoder.requires_grad = False", "for p in net.encoder.parameters(): p.require_grad = False"):
        observed = observe(f"net = SegFormer(3)\n{line}\ntrain(net)")
        assert kinds(observed) == ["segformer pets frozen"], line
        assert observed.run.trainings[0].trained["encoder.weight"]


def test_a_training_that_was_seen_before_is_not_repeated(observe: Observe) -> None:
    """The script ends where it begins."""
    observed = observe("train(SegFormer(3))\ntrain(SegFormer(19), **CITY)\nprint('end')", known=("segformer streets",))
    assert observed.run.stopped
    assert kinds(observed) == ["segformer pets", "segformer streets"]


def test_a_loop_without_end_is_ended_and_told(observe: Observe) -> None:
    """What was seen until then is not lost."""
    observed = observe("train(SegFormer(3))\nwhile True: pass", seconds=5)
    assert observed.run.stopped
    assert kinds(observed) == ["segformer pets"]


def test_what_breaks_off_before_its_first_step_is_told(observe: Observe) -> None:
    """A network that was fed, or a file that was loaded."""
    observed = observe("net = SegFormer(3)\nnet(batch('x', 'oxford-iiit-pet/images'))\n1 / 0")
    assert [(each.kind, each.begun) for each in observed.run.trainings] == [("segformer pets", False)]


def test_pictures_in_memory_are_known_by_what_they_show(observe: Observe) -> None:
    """Both data sets are read before the first training."""
    observed = observe(
        """
        kept = {name: batch("x", name) for name in ("oxford-iiit-pet/images", "leftImg8bit/train")}
        def batch(root, folder): return kept[folder]
        train(SegFormer(3))
        train(SegFormer(19), **CITY)
        """
    )
    assert kinds(observed) == ["segformer pets", "segformer streets"]


def test_last_weights_of_a_smoke_training_are_kept(observe: Observe) -> None:
    """As many epochs as are asked for, and no training after it."""
    text = "train(SegFormer(3))\ntrain(SegFormer(19), **CITY)"
    observed = observe(text, epochs=6, keep="segformer pets")
    assert len(observed.run.only(0).steps) == 6
    assert observed.run.kept is not None
    assert observed.run.stopped


def test_paths_of_another_machine_lead_into_the_working_folder(tmp_path: Path) -> None:
    """Data sets to the drawn ones; what is on this machine, or in the folder, stays what it is."""
    elsewhere = Elsewhere(tmp_path, {"leftImg8bit": tmp_path / "streets", "oxford-iiit-pet": tmp_path / "pets"})
    assert elsewhere.here("E:\\data\\leftImg8bit\\train") == f"{tmp_path}/streets/leftImg8bit/train"
    assert elsewhere.here("/caa/data/oxford-iiit-pet") == f"{tmp_path}/pets/oxford-iiit-pet"
    assert elsewhere.here("/caa/me/saved") == f"{tmp_path}/.elsewhere/caa/me/saved"
    assert elsewhere.here(Path(tmp_path, "x.pth")) == Path(tmp_path, "x.pth")
    assert elsewhere.here("/usr") == "/usr"
    assert elsewhere.here(3) == 3


def test_a_freeze_that_nobody_asked_for_is_no_experiment(
    subject: Subject, place: tuple[Worker, Path], rng: np.random.Generator
) -> None:
    """Of a script with two switches, the one without the other shows nothing; both together are option b."""
    write(
        place[1],
        """
        LOAD = False
        FREEZE = False
        net = SegFormer(3)
        if LOAD:
            state = torch.load("/caa/city/SegFormer_model_last.pth")
            net.encoder.load_state_dict({k[8:]: v for k, v in state.items() if k.startswith("encoder.")})
        if FREEZE:
            net.encoder.requires_grad_(False)
        train(net, [p for p in net.parameters() if p.requires_grad])
        torch.save(net.state_dict(), "SegFormer_model_last.pth")
        """,
    )
    experiments = Experiments(("train.py",))
    experiments.search(subject, rng)
    lines = [run.command for run in experiments.runs]
    assert lines[0] == "python train.py"
    assert any("LOAD = True" in line and "FREEZE = True" in line for line in lines)
    assert all("LOAD = True" in made.command.line for made in experiments.all("fine-tuned"))
    with pytest.raises(NotScored, match=r"Not seen in any run.*python train\.py"):
        experiments.get("city")
