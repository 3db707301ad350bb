"""`gantf-eval score SOURCE`, or in short `gantf-eval SOURCE`."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from evaluation.commands import options


@click.command("score", cls=options.Command)
@click.argument("source")
@options.REFERENCE
@options.METRICS
@options.PROTOCOL
@options.images
@options.features
@options.generator
@click.option("--per-class", is_flag=True, help="Score each class separately, too.")
@click.option(
    "--fail-above",
    metavar="METRIC=X",
    multiple=True,
    help="Exit with code 1 if the whole interval of METRIC lies above X. Repeatable.",
)
@click.option(
    "--fail-below",
    metavar="METRIC=X",
    multiple=True,
    help="Exit with code 1 if the whole interval of METRIC lies below X. Repeatable.",
)
@options.AS_JSON
@click.option(
    "--csv",
    "as_csv",
    is_flag=True,
    help="Print the scores as CSV; with --per-class, the scores of the classes.",
)
@click.option("--report", type=click.Path(dir_okay=False), help="Write an HTML report.")
@click.option("--out", type=click.Path(dir_okay=False), help="Save the result as .json or .csv.")
def command(
    source: str,
    reference: str | None,
    metrics: str | None,
    protocol: str,
    per_class: bool,
    fail_above: tuple[str, ...],
    fail_below: tuple[str, ...],
    as_json: bool,
    as_csv: bool,
    report: str | None,
    out: str | None,
    **values: Any,
) -> None:
    """Scores generated images against real images.

    SOURCE is a generator (a SavedModel, a .keras or .onnx file, the directory of a training run,
    MODULE:FUNCTION), a directory or zip of images, a .npy or .npz file, or the name of a data set.

    Each score has a confidence interval. The floor is the score of real images against other real
    images, for comparison.

    \b
    gantf-eval runs/digits/generator
    gantf-eval samples/ --reference folder:photos --size 64 --metrics fid,kid
    gantf-eval digits:test --reference digits --json

    Exit code: 0 for success, 1 if a limit (--fail-above, --fail-below) is broken, 2 for an invalid
    argument.
    """  # noqa: D301
    from evaluation.errors import InputError, ReportError

    failures: list[str] = []
    with options.user_errors():
        from evaluation.commands import limits
        from evaluation.measurement import DEFAULT_METRICS
        from evaluation.workflows.evaluate import LOGIT_METRICS, evaluate

        _check_outputs(as_json, as_csv, out)
        named = options.listed(metrics)
        bounds = limits.parse(fail_above, "above") + limits.parse(fail_below, "below")
        limits.check_measured(bounds, named or (*DEFAULT_METRICS, *LOGIT_METRICS))
        keywords = options.keywords(values)
        classes = _per_class(source, reference, named, protocol, keywords) if per_class else None
        try:
            result = evaluate(
                source, reference, metrics=named, protocol=protocol, report=report, **keywords
            )
        except ReportError as error:
            result = error.result
            failures.append(str(error))
    _show(result, classes, as_json, as_csv)
    if report and not failures:
        click.echo(f"Wrote {report}", err=True)
    judged: list[tuple[bool, str]] = []
    try:
        if out:
            result.save(out)
            click.echo(f"Wrote {out}", err=True)
        judged = limits.judge(bounds, result)
    except InputError as error:
        failures.append(str(error))
    for _, sentence in judged:
        click.echo(sentence, err=True)
    if failures:
        raise click.UsageError("; ".join(failures))
    if any(broken for broken, _ in judged):
        sys.exit(1)


def _check_outputs(as_json: bool, as_csv: bool, out: str | None) -> None:
    from evaluation.errors import InputError

    if as_json and as_csv:
        raise InputError("--json and --csv: give one of them, and --out for the other.")
    if out and Path(out).suffix.lower() not in (".json", ".csv"):
        raise InputError(f"--out {out}: end it in .json or .csv.")
    if out and not Path(out).absolute().parent.is_dir():
        raise InputError(f"--out {out}: its directory does not exist; create it first.")


def _per_class(source, reference, metrics, protocol, keywords):
    """Scores each class with the metrics that read features only."""
    from evaluation import metrics as metric_files
    from evaluation.measurement import DEFAULT_METRICS
    from evaluation.workflows.evaluate_classes import evaluate_classes

    names = [
        name for name in metrics or DEFAULT_METRICS if metric_files.load(name).READS == "features"
    ]
    return evaluate_classes(source, reference, metrics=names, protocol=protocol, **keywords)


def _show(result, classes, as_json: bool, as_csv: bool) -> None:
    """Prints the scores to stdout and the notes to stderr."""
    from evaluation.results import wording

    if as_json:
        content = result.to_dict() | ({} if classes is None else {"per_class": classes.to_dict()})
        click.echo(json.dumps(content, indent=2, allow_nan=False))
    elif as_csv:
        click.echo(result.to_csv() if classes is None else classes.to_frame().to_csv(), nl=False)
    else:
        lines = [wording.headline(result), *wording.facts(result), "", str(result)]
        if classes is not None:
            lines += ["", str(classes)]
        sentence = wording.plain_fid(result)
        click.echo("\n".join(lines + (["", sentence] if sentence else [])))
    for note in result.context["notes"]:
        click.echo(f"Note: {note}", err=True)
