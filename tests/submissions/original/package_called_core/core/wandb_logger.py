import os

import wandb

# the key is shown on https://wandb.ai/authorize
wandb.login(key=os.environ["WANDB_API_KEY"])


class WandBLogger:
    '''
    Sends values to Weights & Biases.
    '''

    def __init__(self, enabled=True, model=None, run_name: str = None):
        self.enabled = enabled

        if self.enabled:
            wandb.init(entity="your_entity", project="dlvc_assignment_2", group="group_x")
            if run_name is not None:
                wandb.run.name = run_name
            if model is not None:
                self.watch(model)

    def watch(self, model, log_freq: int = 1):
        wandb.watch(model, log="all", log_freq=log_freq)

    def log(self, log_dict: dict, commit=True, step=None):
        if self.enabled:
            if step is not None:
                wandb.log(log_dict, commit=commit, step=step)
            else:
                wandb.log(log_dict, commit=commit)

    def finish(self):
        if self.enabled:
            wandb.finish()
