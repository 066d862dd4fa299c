"""What a verdict could depend on beside the submission: versions, the host, how it is isolated and limited."""

import os
import platform
import shutil
import subprocess
import tomllib
from importlib.metadata import PackageNotFoundError, version

from grader.errors import GraderFault
from grader.files import ROOT
from grader.records import Environment, Isolation
from grader.sandbox import Limits


def describe_environment(isolation: Isolation, detail: str, versions: dict[str, object], limits: Limits) -> Environment:
    """Name everything that a verdict could depend on."""
    try:
        return Environment(
            grader=own_version(),
            python=str(versions["python"]),
            torch=str(versions["torch"]),
            platform=f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
            isolation=isolation,
            isolation_detail=detail,
            device="cpu",
            limits=limits.model_dump(),
        )
    except KeyError as error:
        raise GraderFault(f"The reference worker did not tell its {error}.") from error


def own_version() -> str:
    """The version of this package, also when it is run from a checkout that was never installed."""
    try:
        return version("segcourse-grader")
    except PackageNotFoundError:
        return str(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


def gpus() -> tuple[str, ...]:
    """Names of the NVIDIA GPUs that this host's driver lists."""
    if shutil.which("nvidia-smi") is None:
        return ()
    lines = output_of("nvidia-smi", "-L").splitlines()
    return tuple(line.partition(" (UUID")[0] for line in lines if line.startswith("GPU "))


def output_of(*command: str) -> str:
    """What a command prints, or why it does not."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return result.stdout.strip() or result.stderr.strip()
