import os
from typing import Dict

import wandb

wandb.login(key=os.environ.get("WANDB_API_KEY"))


class WandBLogger:

    def __init__(self, enabled=True, model=None, run_name=None):
        self.enabled = enabled
        if self.enabled:
            wandb.init(project="dlvc_ss24_assignment2", group=None)
            if run_name is not None:
                wandb.run.name = run_name
            if model is not None:
                wandb.watch(model, log="all")

    def log(self, log_dict: Dict, commit=True, step=None):
        if self.enabled:
            wandb.log(log_dict, commit=commit, step=step)

    def finish(self):
        if self.enabled:
            wandb.finish()
