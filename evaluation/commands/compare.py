"""`gantf-eval compare A B ... --reference R`."""

import json
from typing import Any

import click

from evaluation.commands import options


@click.command("compare", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("sources", nargs=-1, required=True)
@options.REFERENCE
@click.option(
    "--metrics",
    metavar="NAME,NAME...",
    default="fid",
    show_default=True,
    help="Of fid, kid, precision, density and coverage.",
)
@click.option(
    "--correction",
    type=click.Choice(["holm", "benjamini-hochberg"]),
    default="holm",
    show_default=True,
    help="For the number of pairs, within each metric.",
)
@click.option(
    "--paired-latents", is_flag=True, help="Image i of all generators comes from one latent."
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
    """Compares SOURCES pair by pair: which differ, and by how much.

    All are judged against the same real images, whose features are computed once. The intervals of
    the differences hold for all pairs at once.

    \b
    gantf-eval compare runs/a/generator runs/b/generator runs/c/generator --reference digits
    """  # noqa: D301
    with options.user_errors():
        from evaluation.workflows.compare_sources import compare_sources

        found = compare_sources(
            list(sources),
            reference,
            options.listed(metrics) or (),
            correction=correction,
            paired_latents=paired_latents,
            **options.keywords(values),
        )
    if as_json:
        click.echo(json.dumps(found.to_dict(), indent=2, allow_nan=False))
    else:
        click.echo(f"{found.headline()}\n\n{found}")
    for name, source in found.context["sources"].items():
        for note in source["notes"]:
            click.echo(f"Note: {name}: {note}", err=True)
