"""`gantf-eval batch SOURCES --reference R --out table.csv`."""

import json
import sys
from typing import Any

import click

from evaluation.commands import options


@click.command("batch", cls=options.Command)
@click.argument("sources", nargs=-1, required=True)
@options.REFERENCE
@options.METRICS
@options.PROTOCOL
@click.option(
    "--out",
    type=click.Path(dir_okay=False),
    metavar="FILE.csv",
    help="Table to write after each source. A later call with the same file continues it.",
)
@options.images
@options.features
@options.generator
@options.AS_JSON
def command(
    sources: tuple[str, ...],
    reference: str | None,
    metrics: str | None,
    protocol: str,
    out: str | None,
    as_json: bool,
    **values: Any,
) -> None:
    """Scores many sources against one reference.

    SOURCES are generators, checkpoints or sets of images.

    Rows that are already in FILE.csv are not computed again, unless the source, the reference or
    an option has changed. If a source fails, its row holds the error, and the next source follows.

    \b
    gantf-eval batch runs/*/generator --reference digits --out table.csv

    Exit code: 0 if all sources have scores, 1 if a source failed, 2 for an invalid argument.
    """  # noqa: D301
    with options.user_errors():
        from evaluation.workflows.batch import batch

        table = batch(
            list(sources),
            reference,
            options.listed(metrics),
            protocol=protocol,
            out=out,
            **options.keywords(values),
        )
    if as_json:
        click.echo(json.dumps([dict(row) for row in table], indent=2, allow_nan=False))
    else:
        click.echo(str(table))
    if out:
        click.echo(f"Wrote {out}", err=True)
    if table.failed:
        sys.exit(1)
