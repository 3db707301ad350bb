"""`gantf-eval plan PILOT --reference R --effect X`."""

import dataclasses
import json
from typing import Any

import click

from evaluation.commands import options


@click.command("plan", cls=options.Command)
@click.argument("pilot")
@options.REFERENCE
@click.option(
    "--metric",
    type=click.Choice(["kid", "fid"]),
    default="kid",
    show_default=True,
    help="Metric of the planned experiment.",
)
@click.option(
    "--effect", type=float, help="Difference to detect; prints the number of images that it needs."
)
@click.option(
    "--images",
    "rows",
    type=click.IntRange(min=1),
    help="Images per sample; prints the difference that they can detect.",
)
@click.option(
    "--power",
    type=float,
    default=0.8,
    show_default=True,
    help="Probability of detecting the difference.",
)
@click.option(
    "--question",
    type=click.Choice(["difference", "equality"]),
    default="difference",
    show_default=True,
    help="difference: between two generators. equality: of one generator with the reference.",
)
@click.option("--other", metavar="SOURCE", help="Pilot of the second generator.")
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
    """Plans how many images a comparison needs.

    PILOT is a generator or a set of images; its images serve to estimate variances. Give --effect
    or --images.

    \b
    gantf-eval plan runs/digits/generator --effect 0.05
    gantf-eval plan runs/digits/generator --images 10000 --metric fid
    """  # noqa: D301
    with options.user_errors():
        from evaluation.workflows.plan_from_images import plan_from_images

        result = plan_from_images(
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
        click.echo(json.dumps(dataclasses.asdict(result), indent=2, allow_nan=False))
    else:
        click.echo(f"{result}.")
