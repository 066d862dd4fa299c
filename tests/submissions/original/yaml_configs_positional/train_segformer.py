"""
Parts 5 and 6, in this order:
    python train_segformer.py configs/segformer_scratch.yaml
    python train_segformer.py configs/segformer_city.yaml               (pre-training)
    python train_segformer.py configs/segformer_finetune_a.yaml         (all weights)
    python train_segformer.py configs/segformer_finetune_b.yaml         (frozen encoder)
    python train_segformer.py configs/segformer_finetune_a_half_lr.yaml (lower learning rate)
"""
import argparse
import os

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Training of the SegFormer")
    parser.add_argument("config", nargs="?", default="configs/segformer_scratch.yaml",
                        help="yaml file with the experiment")
    parser.add_argument("-d", "--gpu_id", default="0", type=str, help="index of the GPU to use")
    args = parser.parse_args()
    os.environ["CUDA_VISIBLE_DEVICES"] = args.gpu_id

    from build import run
    run(args.config)
