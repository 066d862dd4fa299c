#!/bin/bash
set -e
python train.py
python train.py -p
python train_segformer.py scratch
python train_segformer.py city
python train_segformer.py tune
python train_segformer.py tune lr=0.0005 out=out/segformer_tune_half
python train_segformer.py freeze
