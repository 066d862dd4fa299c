import os
from typing import Dict

import wandb

wandb.login(key=os.environ.get("WANDB_API_KEY", ""))


class WandBLogger:

    def __init__(self, enabled=True, model=None, run_name: str = None) -> None:
        self.enabled = enabled
        if self.enabled:
            wandb.init(entity="dlvc_group", project="dlvc_ass_2", group="seg")
            if run_name is not None:
                wandb.run.name = run_name
            if model is not None:
                self.watch(model)

    def watch(self, model, log_freq: int = 1):
        wandb.watch(model, log="all", log_freq=log_freq)

    def log(self, log_dict: dict, commit=True, step=None):
        if self.enabled:
            wandb.log(log_dict, commit=commit, step=step)

    def finish(self):
        if self.enabled:
            wandb.finish()
