"""
Parts 5 and 6. EXPERIMENT is one of SegFormerScratch, CityPretraining, FinetuneAll and FinetuneDecoder:
    EXPERIMENT=CityPretraining python train_segformer.py
    EXPERIMENT=FinetuneAll LR=0.0005 python train_segformer.py
"""
import os

from experiments import CityPretraining, FinetuneAll, FinetuneDecoder, SegFormerScratch

EXPERIMENTS = {e.__name__: e for e in (SegFormerScratch, CityPretraining, FinetuneAll, FinetuneDecoder)}

if __name__ == "__main__":
    EXPERIMENTS[os.environ.get("EXPERIMENT", "SegFormerScratch")]().run()
