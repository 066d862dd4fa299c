import os

try:
    import wandb
except ImportError:
    wandb = None


class WandBLogger:
    '''
    Weights & Biases if it is installed and a key is set, otherwise the values are only printed.
    '''

    def __init__(self, enabled=True, model=None, run_name: str = None):
        self.enabled = enabled and wandb is not None and "WANDB_API_KEY" in os.environ
        if self.enabled:
            wandb.login(key=os.environ["WANDB_API_KEY"])
            wandb.init(project="dlvc_ass_2", name=run_name)
            if model is not None:
                wandb.watch(model)

    def log(self, log_dict: dict, commit=True, step=None):
        print(step, {k: round(v, 4) for k, v in log_dict.items()})
        if self.enabled:
            wandb.log(log_dict, commit=commit, step=step)

    def finish(self):
        if self.enabled:
            wandb.finish()
