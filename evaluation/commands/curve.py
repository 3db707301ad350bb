"""`gantf-eval curve RUN`: scores over the steps of a training run."""

import json
from typing import Any

import click

from evaluation.commands import options


@click.command("curve", cls=options.Command)
@click.argument("run_dir")
@options.REFERENCE
@click.option(
    "--metrics", metavar="NAME,NAME...", help="Scores to show. Default: all that the run logged."
)
@click.option(
    "--exports/--no-exports",
    default=True,
    show_default=True,
    help="Evaluate generators that were exported at two or more steps.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Save a figure (.png) or a table (.csv).",
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
    """Shows the scores of a training run over its steps.

    RUN_DIR is the run's directory. Its metrics.jsonl holds the scores that were logged during the
    training. If it also holds generators of two or more steps, they are evaluated on new images.

    \b
    gantf-eval curve runs/digits --metrics fid --out curve.png
    """  # noqa: D301
    with options.user_errors():
        from evaluation.results.curve import check_out
        from evaluation.workflows.curve import curve

        check_out(out)
        scores = curve(
            run_dir,
            options.listed(metrics),
            reference,
            exports=exports,
            **options.keywords(values),
        )
        if as_json:
            click.echo(json.dumps(scores.to_dict(), indent=2, allow_nan=False))
        else:
            click.echo(str(scores))
        if out:
            scores.save(out)
            click.echo(f"Wrote {out}", err=True)
