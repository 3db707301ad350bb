"""`gantf-eval batch SOURCES --reference R --out table.csv`."""

import json
import sys
from typing import Any

import click

from evaluation.commands import options


@click.command("batch", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("sources", nargs=-1, required=True)
@options.REFERENCE
@options.METRICS
@options.PROTOCOL
@click.option(
    "--out",
    type=click.Path(dir_okay=False),
    metavar="FILE.csv",
    help="The table; written after each source, and gone on with after a kill.",
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
    """Scores many SOURCES, generators or checkpoints, against one reference.

    Rows that FILE.csv has already are not computed again, unless a source, the reference or an
    option has changed. A source that fails gets a row that says why, and the others go on.

    \b
    gantf-eval batch runs/*/generator --reference digits --out table.csv

    Exit code: 0 all done, 1 some source failed, 2 a mistake in what was given.
    """  # noqa: D301
    with options.user_errors():
        from evaluation.workflows.batch import batch

        found = batch(
            list(sources),
            reference,
            options.listed(metrics),
            protocol=protocol,
            out=out,
            **options.keywords(values),
        )
    if as_json:
        click.echo(json.dumps([dict(row) for row in found], indent=2, allow_nan=False))
    else:
        click.echo(str(found))
    if out:
        click.echo(f"Wrote {out}", err=True)
    if found.failed:
        sys.exit(1)
