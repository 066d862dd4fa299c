"""Part 5, SegFormer from scratch on the pets. For part 6 see pretrain_cityscapes.py and finetune_segformer.py."""
import config
from common import fit, oxford
from dlvc.models.segformer import SegFormer
from dlvc.models.segment_model import DeepSegmenter

if __name__ == "__main__":
    model = DeepSegmenter(SegFormer(num_classes=3))
    fit(model, model.parameters(), oxford(), config.SEGFORMER, "segformer_scratch")
