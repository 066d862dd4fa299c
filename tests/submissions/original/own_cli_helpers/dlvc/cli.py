'''
A few helpers around argparse, so that a command is a function and its options are written above it:

    cli = CommandLine("what the script does")

    @cli.command
    @option("--epochs", 30, "number of epochs")
    @flag("--wandb", "log to wandb")
    def scratch(epochs, wandb):
        ...

    cli.run()
'''
import argparse


def _add(func, *names, **kwargs):
    # decorators are applied from the bottom to the top, help should show them from the top
    func.__dict__.setdefault("_options", []).insert(0, (names, kwargs))
    return func


def option(name, default, help="", choices=None):
    def decorate(func):
        return _add(func, name, default=default, type=type(default), choices=choices, help=f"{help} (%(default)s)")
    return decorate


def flag(name, help=""):
    def decorate(func):
        return _add(func, name, action="store_true", help=help)
    return decorate


def common(func):
    '''Options that all our trainings have.'''
    for decorate in (option("--gpu-id", "0", "GPU to use"),
                     option("--out", "saved_models", "folder for the weights"),
                     option("--workers", 2, "processes that load images"),
                     flag("--wandb", "log to weights & biases")):
        func = decorate(func)
    return func


class CommandLine:
    def __init__(self, description):
        self.description = description
        self.commands = {}

    def command(self, func):
        self.commands[func.__name__] = func
        return func

    def run(self):
        parser = argparse.ArgumentParser(description=self.description)
        if len(self.commands) == 1:
            # no sub-command necessary
            func = next(iter(self.commands.values()))
            self._fill(parser, func)
            parser.set_defaults(_func=func)
        else:
            sub = parser.add_subparsers(dest="_command", required=True)
            for name, func in self.commands.items():
                p = sub.add_parser(name, help=func.__doc__)
                self._fill(p, func)
                p.set_defaults(_func=func)
        values = vars(parser.parse_args())
        func = values.pop("_func")
        values.pop("_command", None)
        func(**values)

    @staticmethod
    def _fill(parser, func):
        for names, kwargs in func._options:
            parser.add_argument(*names, **kwargs)
