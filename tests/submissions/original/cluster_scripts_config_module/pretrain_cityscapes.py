"""Part 6, step 1."""
import config
from common import cityscapes, fit
from dlvc.models.segformer import SegFormer
from dlvc.models.segment_model import DeepSegmenter

if __name__ == "__main__":
    data = cityscapes()
    model = DeepSegmenter(SegFormer(num_classes=len(data[0].classes_seg)))
    # pixels of 255 belong to none of the 19 classes
    fit(model, model.parameters(), data, config.PRETRAINING, "segformer_cityscapes", ignore_index=255)
