'''
Settings come from the environment, so that one job script can start every run (see jobs/).
'''
import os
from pathlib import Path


def env_int(name, default):
    return int(os.environ.get(name, default))


def env_float(name, default):
    return float(os.environ.get(name, default))


def env_bool(name, default=False):
    value = os.environ.get(name)
    if value is None:
        return default
    return value.strip().lower() in ("1", "true", "yes", "on")


USER = os.environ.get("USER", "jkern")
SCRATCH = Path(os.environ.get("SCRATCH", f"/scratch/{USER}"))
PETS_ROOT = os.environ.get("PETS_ROOT", str(SCRATCH / "data" / "pets"))
CITY_ROOT = os.environ.get("CITY_ROOT", str(SCRATCH / "data" / "cityscapes_assg2"))
RUNS = Path(os.environ.get("RUNS_DIR", "runs"))
JOB_ID = os.environ.get("SLURM_JOB_ID", "local")
WORKERS = env_int("SLURM_CPUS_PER_TASK", 2)
