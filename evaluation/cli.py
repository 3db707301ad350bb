"""`gantf-eval`: scores of generated images on stdout, everything else on stderr.

The first word is a command, that is a file in evaluation/commands/. Any other first word is the
source of the command `score`. Write ./compare for a folder with the name of a command.
"""

import importlib
import os
import pkgutil
import sys
from pathlib import Path

import click

from evaluation import commands
from evaluation.runtime.one_line_errors import OneLineErrors

DEFAULT_COMMAND = "score"


class _Group(OneLineErrors, click.Group):
    """Loads commands by file name, and runs `score` if the first word is not a command."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        folder = str(Path(commands.__file__).parent)
        names = [module.name for module in pkgutil.iter_modules([folder])]
        return sorted(name for name in names if hasattr(_module(name), "command"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return _module(cmd_name).command if cmd_name in self.list_commands(ctx) else None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = (*self.list_commands(ctx), *ctx.help_option_names)
        named = bool(args) and args[0] in own
        return super().parse_args(ctx, args if named else [DEFAULT_COMMAND, *args])

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the help of the default command, and then the list of all commands."""
        command = self.get_command(ctx, DEFAULT_COMMAND)
        assert command is not None
        names = ctx.help_option_names
        context = click.Context(command, info_name=ctx.info_name, help_option_names=names)
        command.format_help(context, formatter)
        self.format_commands(ctx, formatter)
        formatter.write_paragraph()
        name = ctx.info_name
        formatter.write_text(f"{name} SOURCE is short for {name} {DEFAULT_COMMAND} SOURCE.")
        formatter.write_text(f"{name} COMMAND --help describes a command.")


def _module(name: str):
    return importlib.import_module(f"evaluation.commands.{name}")


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Evaluates generated images."""
    sys.path.append(os.getcwd())  # so that MODULE:FUNCTION is imported from here, as by `python -m`


if __name__ == "__main__":
    main()
