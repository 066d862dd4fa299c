"""Shortcut: python train_segformer.py [segformer|finetune] ...   (everything is in train.py)"""
import subprocess
import sys
from pathlib import Path

if __name__ == "__main__":
    arguments = sys.argv[1:] or ["segformer"]
    script = Path(__file__).resolve().parent / "train.py"
    sys.exit(subprocess.run([sys.executable, str(script), *arguments]).returncode)
