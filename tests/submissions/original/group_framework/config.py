"""All settings of our experiments. One entry of EXPERIMENTS is one curve in the report."""
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional


@dataclass
class DataConfig:
    name: str = "pets"
    root: str = "/srv/dlvc/group07/data/pets"
    image_size: int = 64
    batch_size: int = 64
    num_workers: int = 2


@dataclass
class OptimConfig:
    name: str = "adamw"
    lr: float = 1e-3
    weight_decay: float = 0.01
    gamma: float = 0.98


@dataclass
class ExperimentConfig:
    name: str
    model: str
    data: DataConfig = field(default_factory=DataConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    num_epochs: int = 30
    val_frequency: int = 2
    # FCN only
    imagenet_backbone: bool = False
    # SegFormer only
    encoder_weights: Optional[str] = None
    freeze_encoder: bool = False
    out_root: Path = Path("runs")

    @property
    def out_dir(self) -> Path:
        return self.out_root / self.name


CITY = DataConfig(name="cityscapes", root="/srv/dlvc/group07/data/cityscapes_assg2", batch_size=16)
CITY_WEIGHTS = "runs/segformer_city/SegFormer_model_last.pth"

_ALL = [
    # Part 4
    ExperimentConfig("fcn_scratch", model="fcn"),
    ExperimentConfig("fcn_imagenet", model="fcn", imagenet_backbone=True),
    # Part 5
    ExperimentConfig("segformer_scratch", model="segformer"),
    # Part 6
    ExperimentConfig("segformer_city", model="segformer", data=CITY, num_epochs=40),
    ExperimentConfig("segformer_finetune", model="segformer", encoder_weights=CITY_WEIGHTS),
    ExperimentConfig("segformer_finetune_half_lr", model="segformer", encoder_weights=CITY_WEIGHTS,
                     optim=OptimConfig(lr=5e-4)),
    ExperimentConfig("segformer_frozen", model="segformer", encoder_weights=CITY_WEIGHTS, freeze_encoder=True),
]

EXPERIMENTS = {cfg.name: cfg for cfg in _ALL}
