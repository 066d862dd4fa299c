"""All settings that the four scripts share."""
from dataclasses import dataclass
from pathlib import Path

import torch

PETS_ROOT = "/caa/Student/dlvc/e12023456/public/datasets/oxfordpets"
CITY_ROOT = "/caa/Student/dlvc/e12023456/public/datasets/cityscapes_assg2"
RUNS = Path("/caa/Homes01/e12023456/dlvc_ss24/assignment2/runs")

DEVICE = torch.device("cuda:0") if torch.cuda.is_available() else torch.device("cpu")

IMAGE_SIZE = (64, 64)
MEAN = [0.485, 0.456, 0.406]
STD = [0.229, 0.224, 0.225]


@dataclass
class Settings:
    epochs: int = 31
    batch_size: int = 64
    lr: float = 1e-3
    gamma: float = 0.98
    val_frequency: int = 2


FCN = Settings()
SEGFORMER = Settings()
PRETRAINING = Settings(epochs=40, batch_size=16)
FINETUNING = Settings()
