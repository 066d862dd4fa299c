"""
Part 4. EXPERIMENT=FcnScratch python train.py, or EXPERIMENT=FcnImageNet python train.py
"""
import os

import experiments

if __name__ == "__main__":
    name = os.environ.get("EXPERIMENT", "FcnScratch")
    assert name in ("FcnScratch", "FcnImageNet"), name
    getattr(experiments, name)().run()
