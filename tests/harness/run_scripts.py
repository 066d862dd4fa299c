"""Run command lines of the scripts in a folder, all in one process, as importing torch takes seconds.

Usage: python run_scripts.py FOLDER, with a JSON object {name: [script, argument, ...]} on standard input.
Writes {name: [exit code, standard output, standard error, requested URLs]} to standard output. No weights are
fetched: who asks for weights gets those of a random ResNet-50 whose first convolution is 0.5 everywhere.
"""

import contextlib
import io
import json
import runpy
import sys
import traceback
from collections.abc import Sequence

import torch


def main() -> None:
    """Run all command lines; an exception that a script does not catch has exit code 99."""
    folder = sys.argv[1]
    sys.path.insert(0, folder)
    requests: list[str] = []

    def fetch(url: str, *_args: object, **_options: object) -> dict[str, torch.Tensor]:
        from torchvision.models import resnet50

        requests.append(url)
        state = resnet50(weights=None).state_dict()
        state["conv1.weight"].fill_(0.5)
        return state

    torch.hub.load_state_dict_from_url = fetch
    results = {}
    for name, command in json.load(sys.stdin).items():
        requests.clear()
        results[name] = [*run(folder, command), list(requests)]
    json.dump(results, sys.stdout)


def run(folder: str, command: Sequence[str]) -> tuple[int, str, str]:
    """Run one script as `python script ...` does; return its exit code, output and error output."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    sys.argv = list(command)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            runpy.run_path(f"{folder}/{command[0]}", run_name="__main__")
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
            if isinstance(end.code, str):
                err.write(f"{end.code}\n")
        except BaseException:  # noqa: BLE001 - whatever it is, the other scripts are still to run
            traceback.print_exc()
            code = 99
    return code, out.getvalue(), err.getvalue()


if __name__ == "__main__":
    main()
