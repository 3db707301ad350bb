"""`gantf-eval cache list` and `gantf-eval cache clear`."""

import click

from evaluation.commands import options


@click.group("cache", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Shows or empties the features kept on disk by --cache."""


@command.command("list")
def list_entries() -> None:
    """Lists what is kept: when, how large, what it is."""
    with options.user_errors():
        from evaluation.features import cache

        found = cache.entries()
        for entry in found:
            shapes = ", ".join(
                f"{name} {' x '.join(map(str, shape))}" for name, shape in entry.shapes.items()
            )
            when = f"{entry.written:%Y-%m-%d %H:%M}"
            click.echo(f"{entry.key[:12]}  {when}  {_size(entry.size_bytes)}  {shapes}")
        total = sum(entry.size_bytes for entry in found)
        click.echo(f"{len(found)} entries, {_size(total)}, in {cache.directory()}", err=True)


@command.command("clear")
def clear() -> None:
    """Removes everything that is kept; weights that were downloaded stay."""
    with options.user_errors():
        from evaluation.features import cache

        click.echo(f"Removed {_size(cache.clear())} from {cache.directory()}", err=True)


def _size(count: int) -> str:
    return f"{count / 2**20:.1f} MiB"
