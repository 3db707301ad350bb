"""`gantf-eval`: how good are these images? Scores with intervals on stdout, the rest on stderr."""

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from evaluation import protocols
from evaluation.oneline import OneLineErrors

PROGRAMS = [name for name in protocols.names() if name != "default"]


class _Command(OneLineErrors, click.Command):
    pass


@click.command(cls=_Command, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("source")
@click.option(
    "--reference",
    metavar="REFERENCE",
    help="Real images: a data set's name (digits, cifar10:test), a directory, a .npy or .npz file. "
    "Default: the data named in the generator's generator.json.",
)
@click.option("--metrics", metavar="NAME,NAME...", help="Default: all that the features can serve.")
@click.option(
    "--features",
    metavar="NAME",
    help="pixels (larger images reduced to 8 x 8), digits, or the path of a Keras classifier. "
    "Default: the classifier shipped for the reference data, or else pixels.",
)
@click.option(
    "--protocol",
    metavar="NAME",
    default="default",
    show_default=True,
    help=f"The metrics' settings: default, or a published program's ({', '.join(PROGRAMS)}).",
)
@click.option(
    "--n",
    type=click.IntRange(min=1),
    help="Images to draw, or to choose at random of a set. Default: all of a set; of a generator "
    "as many as the floor holds.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--level",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.95,
    show_default=True,
    help="Confidence level of the intervals.",
)
@click.option(
    "--size",
    type=click.IntRange(min=1),
    metavar="PX",
    help="Crop and resize all images to PX x PX.",
)
@click.option("--skip-corrupt", is_flag=True, help="Leave out image files that cannot be decoded.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option("--report", type=click.Path(dir_okay=False), help="Write an HTML report here.")
@click.option("--out", type=click.Path(dir_okay=False), help="Save the result: .json or .csv.")
def main(
    source: str,
    reference: str | None,
    metrics: str | None,
    features: str | None,
    protocol: str,
    n: int | None,
    seed: int,
    level: float,
    size: int | None,
    skip_corrupt: bool,
    as_json: bool,
    report: str | None,
    out: str | None,
) -> None:
    """Scores the images of SOURCE against real ones, beside the floor of real against real.

    SOURCE is a generator's directory (RUN_DIR/generator), a directory of images, a .npy or .npz
    file of uint8 images, or a data set's name.

    \b
    gantf-eval runs/digits/generator
    gantf-eval samples/ --reference folder:photos --size 64 --metrics fid,kid
    gantf-eval digits:test --reference digits --json
    """  # noqa: D301
    from evaluation.errors import InputError, ReportError

    failures = []
    try:
        if out and Path(out).suffix.lower() not in (".json", ".csv"):
            raise InputError(f"--out {out}: end it in .json or .csv.")
        if out and not Path(out).absolute().parent.is_dir():
            raise InputError(f"--out {out}: its directory does not exist; create it first.")
        from evaluation.api import evaluate

        with _progress() as progress:
            result = evaluate(
                source,
                reference,
                metrics=_names(metrics),
                features=features,
                n=n,
                seed=seed,
                protocol=protocol,
                level=level,
                size_px=size,
                skip_corrupt=skip_corrupt,
                report=report,
                progress=progress,
            )
    except ReportError as error:
        result = error.result
        failures.append(str(error))
    except InputError as error:
        raise click.UsageError(str(error)) from None
    _show(result, as_json)
    if report and not failures:
        click.echo(f"Wrote {report}", err=True)
    try:
        if out:
            result.save(out)
            click.echo(f"Wrote {out}", err=True)
    except InputError as error:
        failures.append(str(error))
    if failures:
        raise click.UsageError("; ".join(failures))


def _names(metrics: str | None) -> list[str] | None:
    if metrics is None:
        return None
    return [name.strip() for name in metrics.split(",") if name.strip()]


def _show(result, as_json: bool) -> None:
    """Scores to stdout; what was done to stderr."""
    from evaluation.report import wording

    if as_json:
        click.echo(json.dumps(result.to_dict(), indent=2, allow_nan=False))
    else:
        click.echo(f"{wording.headline(result)}\n\n{result}")
        sentence = wording.plain_fid(result)
        if sentence:
            click.echo(f"\n{sentence}")
    for note in result.context["notes"]:
        click.echo(f"Note: {note}", err=True)


@contextlib.contextmanager
def _progress() -> Iterator:
    """A callback (stage, done, total) that draws on stderr if that is a terminal, or else None."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=None)

        def show(stage: str, done: int, total: int) -> None:
            bar.update(task, description=stage, completed=done, total=total or None)

        yield show


if __name__ == "__main__":
    main()
