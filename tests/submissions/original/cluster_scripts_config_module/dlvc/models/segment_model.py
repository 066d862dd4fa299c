from pathlib import Path

import torch
import torch.nn as nn


class DeepSegmenter(nn.Module):
    '''
    Holds a network for segmentation, and can save and load its weights.
    '''

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    @property
    def plain_net(self):
        # without nn.DataParallel around it
        return self.net.module if isinstance(self.net, nn.DataParallel) else self.net

    def forward(self, x: torch.Tensor):
        return self.net(x)

    def save(self, save_dir: Path, suffix=None):
        '''
        Saves the state dict of the network in the folder save_dir.
        The file is called <name of the network>_model.pth, or <name of the network>_model_<suffix>.pth.
        '''
        name = type(self.plain_net).__name__ + "_model"
        if suffix is not None:
            name += f"_{suffix}"
        torch.save(self.plain_net.state_dict(), Path(save_dir) / f"{name}.pth")

    def load(self, path):
        '''
        Loads the weights of the network from a file. Names which the network does not have are left out.
        '''
        loaded = torch.load(path, map_location="cpu")
        state = self.plain_net.state_dict()
        for name in loaded:
            if name in state:
                state[name] = loaded[name]
        self.plain_net.load_state_dict(state)
