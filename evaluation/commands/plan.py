"""`gantf-eval plan PILOT --reference R --effect X`."""

import dataclasses
import json
from typing import Any

import click

from evaluation.commands import options


@click.command("plan", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("pilot")
@options.REFERENCE
@click.option("--metric", type=click.Choice(["kid", "fid"]), default="kid", show_default=True)
@click.option("--effect", type=float, help="The difference to be found: gives the images needed.")
@click.option(
    "--images",
    "rows",
    type=click.IntRange(min=1),
    help="Images of each sample: gives the difference that they find.",
)
@click.option("--power", type=float, default=0.8, show_default=True, help="Chance to find it.")
@click.option(
    "--question",
    type=click.Choice(["difference", "equality"]),
    default="difference",
    show_default=True,
    help="Between two generators, or between one and the reference.",
)
@click.option("--other", metavar="SOURCE", help="A pilot of the second generator.")
@options.images
@options.features
@options.generator
@options.AS_JSON
def command(
    pilot: str,
    reference: str | None,
    metric: str,
    effect: float | None,
    rows: int | None,
    power: float,
    question: str,
    other: str | None,
    as_json: bool,
    **values: Any,
) -> None:
    """Says how many images a question needs, from some of PILOT, a generator or a set of images.

    \b
    gantf-eval plan runs/digits/generator --effect 0.05
    gantf-eval plan runs/digits/generator --images 10000 --metric fid
    """  # noqa: D301
    with options.user_errors():
        from evaluation.workflows.plan_from_images import plan_from_images

        found = plan_from_images(
            pilot,
            reference,
            metric=metric,
            effect=effect,
            rows=rows,
            power=power,
            question=question,
            other=other,
            **options.keywords(values),
        )
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(found), indent=2, allow_nan=False))
    else:
        click.echo(f"{found}.")
