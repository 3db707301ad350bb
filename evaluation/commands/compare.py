"""`gantf-eval compare A B ... --reference R`."""

import json
from typing import Any

import click

from evaluation.commands import options


@click.command("compare", cls=options.Command)
@click.argument("sources", nargs=-1, required=True)
@options.REFERENCE
@click.option(
    "--metrics",
    metavar="NAME,NAME...",
    default="fid",
    show_default=True,
    help="Metrics to compare by: fid, kid, precision, density, coverage.",
)
@click.option(
    "--correction",
    type=click.Choice(["holm", "benjamini-hochberg"]),
    default="holm",
    show_default=True,
    help="Correction of the p-values for the number of pairs, within each metric.",
)
@click.option(
    "--paired-latents",
    is_flag=True,
    help="Compare image by image: image i of all generators comes from the same latent.",
)
@options.images
@options.features
@options.generator
@options.AS_JSON
def command(
    sources: tuple[str, ...],
    reference: str | None,
    metrics: str,
    correction: str,
    paired_latents: bool,
    as_json: bool,
    **values: Any,
) -> None:
    """Compares sources pair by pair.

    SOURCES are two or more generators or sets of images. For each pair, prints the difference of
    the scores, its interval and its p-value. The intervals hold for all pairs at once. All sources
    have the same reference, whose features are computed once.

    \b
    gantf-eval compare runs/a/generator runs/b/generator runs/c/generator --reference digits
    """  # noqa: D301
    with options.user_errors():
        from evaluation.workflows.compare_sources import compare_sources

        comparison = compare_sources(
            list(sources),
            reference,
            options.listed(metrics) or (),
            correction=correction,
            paired_latents=paired_latents,
            **options.keywords(values),
        )
    if as_json:
        click.echo(json.dumps(comparison.to_dict(), indent=2, allow_nan=False))
    else:
        click.echo(f"{comparison.headline()}\n\n{comparison}")
    for name, source in comparison.context["sources"].items():
        for note in source["notes"]:
            click.echo(f"Note: {name}: {note}", err=True)
