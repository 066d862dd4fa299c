"""
Parts 5 and 6.   python train_segformer.py [name ...]      see EXPERIMENTS in config.py (all if none is given)
"""
import argparse

from config import EXPERIMENTS
from experiment import make_experiment

NAMES = [name for name in EXPERIMENTS if name.startswith("segformer")]

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=", ".join(NAMES))
    args = parser.parse_args()

    for name in args.names or NAMES:
        best = make_experiment(EXPERIMENTS[name]).run()
        print(f"=== {name}: best validation mIoU {best:.4f}")
