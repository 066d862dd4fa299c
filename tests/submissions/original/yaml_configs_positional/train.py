"""
Part 4.
    python train.py configs/fcn_scratch.yaml
    python train.py configs/fcn_imagenet.yaml
"""
import argparse
import os

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Training of the FCN")
    parser.add_argument("config", nargs="?", default="configs/fcn_scratch.yaml", help="yaml file with the experiment")
    parser.add_argument("-d", "--gpu_id", default="0", type=str, help="index of the GPU to use")
    args = parser.parse_args()
    os.environ["CUDA_VISIBLE_DEVICES"] = args.gpu_id

    from build import run
    run(args.config)
