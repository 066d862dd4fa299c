import csv
from pathlib import Path


class CSVLogger:
    '''
    Writes one line for each epoch. No internet on the compute nodes, so this instead of wandb.
    '''

    FIELDS = ["epoch", "lr", "train_loss", "train_miou", "val_loss", "val_miou"]

    def __init__(self, path: Path):
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "w", newline="") as f:
            csv.DictWriter(f, self.FIELDS).writeheader()

    def log(self, **values):
        with open(self.path, "a", newline="") as f:
            csv.DictWriter(f, self.FIELDS, restval="").writerow(values)
