# see train.py, the only difference is the default of --net
from train import main

if __name__ == "__main__":
    main("segformer")
