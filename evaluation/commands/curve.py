"""`gantf-eval curve RUN`: scores over a training's steps."""

import json
from typing import Any

import click

from evaluation.commands import options


@click.command("curve", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("run_dir")
@options.REFERENCE
@click.option("--metrics", metavar="NAME,NAME...", help="Default: all that the run logged.")
@click.option(
    "--exports/--no-exports",
    default=True,
    show_default=True,
    help="Evaluate generators exported from several steps on fresh images.",
)
@click.option(
    "--out", type=click.Path(dir_okay=False), metavar="FILE", help="A .png of it, or a .csv."
)
@options.images
@options.features
@options.generator
@options.AS_JSON
def command(
    run_dir: str,
    reference: str | None,
    metrics: str | None,
    exports: bool,
    out: str | None,
    as_json: bool,
    **values: Any,
) -> None:
    """Shows the scores of RUN_DIR over its steps, with intervals.

    Those that were logged while it trained come from its metrics.jsonl; where generators of two or
    more steps lie in it, they are evaluated as well.

    \b
    gantf-eval curve runs/digits --metrics fid --out curve.png
    """  # noqa: D301
    with options.user_errors():
        from evaluation.results.curve import check_out
        from evaluation.workflows.curve import curve

        check_out(out)
        found = curve(
            run_dir,
            options.listed(metrics),
            reference,
            exports=exports,
            **options.keywords(values),
        )
        if as_json:
            click.echo(json.dumps(found.to_dict(), indent=2, allow_nan=False))
        else:
            click.echo(str(found))
        if out:
            found.save(out)
            click.echo(f"Wrote {out}", err=True)
