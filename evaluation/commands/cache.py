"""`gantf-eval cache list` and `gantf-eval cache clear`."""

import click

from evaluation.commands import options


@click.group("cache")
def command() -> None:
    """Lists or removes the features that --cache keeps on disk."""


@command.command("list")
def list_entries() -> None:
    """Lists the entries: key, date, size, and the shapes of the arrays."""
    with options.user_errors():
        from evaluation.features import cache

        entries = cache.entries()
        for entry in entries:
            shapes = ", ".join(
                f"{name} {' x '.join(map(str, shape))}" for name, shape in entry.shapes.items()
            )
            when = f"{entry.written:%Y-%m-%d %H:%M}"
            click.echo(f"{entry.key[:12]}  {when}  {_size(entry.size_bytes)}  {shapes}")
        total = sum(entry.size_bytes for entry in entries)
        click.echo(f"{len(entries)} entries, {_size(total)}, in {cache.directory()}", err=True)


@command.command("clear")
def clear() -> None:
    """Removes all features; downloaded weights stay."""
    with options.user_errors():
        from evaluation.features import cache

        click.echo(f"Removed {_size(cache.clear())} from {cache.directory()}", err=True)


def _size(count: int) -> str:
    return f"{count / 2**20:.1f} MiB"
