"""`gantf-eval`: how good are these images? Scores with intervals on stdout, the rest on stderr.

The first word is a command, one of the files in evaluation/commands/, or else the source of
`score`; a folder that is called like a command is written ./compare.
"""

import importlib
import os
import pkgutil
import sys
from pathlib import Path

import click

from evaluation import commands
from evaluation.runtime.one_line_errors import OneLineErrors

USUAL = "score"


class _Group(OneLineErrors, click.Group):
    """Commands by file name; without one of their names, `score` is meant."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        found = [
            module.name for module in pkgutil.iter_modules([str(Path(commands.__file__).parent)])
        ]
        return sorted(name for name in found if hasattr(_module(name), "command"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return _module(cmd_name).command if cmd_name in self.list_commands(ctx) else None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = (*self.list_commands(ctx), *ctx.help_option_names)
        return super().parse_args(ctx, args if args and args[0] in own else [USUAL, *args])

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The usual command's help, and then the names of the others."""
        usual = self.get_command(ctx, USUAL)
        assert usual is not None
        usual.format_help(click.Context(usual, info_name=ctx.info_name), formatter)
        self.format_commands(ctx, formatter)


def _module(name: str):
    return importlib.import_module(f"evaluation.commands.{name}")


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Judges generated images."""
    sys.path.append(os.getcwd())  # MODULE:FUNCTION may lie here, as with `python -m`


if __name__ == "__main__":
    main()
