"""The `gantf` command. Each sub-command imports TensorFlow itself, so that `--help` is quick."""

import errno
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import click

from evaluation import InputError, OneLineErrors, import_tensorflow
from gantf import config, errors, models

EXIT_INTERRUPTED = 130  # after Ctrl-C
EXIT_SAVED = 75  # EX_TEMPFAIL, after SIGTERM: start the same command again
_PATH = click.Path(path_type=Path)
_OF_MODEL: dict[str, Any] = {"default": None, "show_default": "the model's"}


class UserError(click.ClickException):
    """A mistake of the user: one line on stderr, exit code 2."""

    exit_code = 2


class _Group(OneLineErrors, click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        """Runs a command; turns the mistakes of the user and of the disk into one line."""
        try:
            return super().invoke(ctx)
        except InputError as error:
            raise UserError(str(error)) from None
        except OSError as error:  # for example a full disk, or a directory that cannot be written
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise UserError(
                    f"{error.filename or 'the disk of the run'}: {error.strerror}; free space, and "
                    "start the same command again."
                ) from None
            if error.filename is None:
                raise
            raise UserError(f"{error.filename}: {error.strerror}; choose another place.") from None


@click.group(cls=_Group)
@click.version_option(package_name="gantf")
def main() -> None:
    """Train generative adversarial networks on any tf.distribute strategy."""


def _option(name: str, field: str, text: str, **more: Any) -> Callable:
    """An option that fills a field of `RunConfig`: its default and type are the field's."""
    default = config.RunConfig.model_fields[field].default
    usual = {"default": default, "type": type(default), "show_default": True, "help": text}
    return click.option(name, field, **{**usual, **more})


def _checkpoint_option(default: str) -> Callable:
    return click.option(
        "--checkpoint", default=default, show_default=True, help="last, best or a step number."
    )


def _seed_option(text: str) -> Callable:
    return click.option(
        "--seed", default=0, show_default=True, type=click.IntRange(min=0), help=text
    )


_run_dir_argument = click.argument("run_dir", type=_PATH)
_truncation_option = click.option(
    "--truncation",
    type=click.FloatRange(0, 1),
    help="1 for full variety, 0 for the average image; for stylegan2.",
)


@main.command()
@_option("--model", "model", "A name that `gantf models` lists, or a Python file with a model.")
@_option(
    "--data",
    "data",
    "Training data: a name that `gantf datasets` lists, any TFDS name, or folder:PATH. Models that "
    "translate between two sets take two: folder:A,folder:B.",
    **_OF_MODEL,
)
@_option("--size", "size_px", "Crop and resize images to this many pixels a side.", type=int)
@_option("--steps", "steps", "Number of training steps. A step updates every player.", **_OF_MODEL)
@_option("--batch-size", "batch_size", "Images per step, over all replicas.", **_OF_MODEL)
@_option("--seed", "seed", "Seed of the weights, the data order and the noise.")
@_option(
    "--strategy",
    "strategy",
    "Devices to train on; auto uses all GPUs, or else the CPU. See `gantf doctor`.",
    type=click.Choice(get_args(config.StrategyName)),
)
@_option(
    "--logical-cpus",
    "logical_cpus",
    "Split the CPU into this many devices, to try mirrored without GPUs.",
)
@click.option("--run-dir", type=_PATH, help="Directory of the run. [default: runs/MODEL-DATA]")
@click.option(
    "--config",
    "file",
    type=_PATH,
    help="YAML file with these options, such as a run's config.yaml. Options on the command line "
    "override it.",
)
@click.option(
    "--set",
    "pairs",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set a setting of the model; repeatable. See `gantf models NAME`.",
)
@_option("--skip-corrupt", "skip_corrupt", "Skip images that cannot be read.", is_flag=True)
@_option(
    "--data-timeout",
    "data_timeout_seconds",
    "Time limit of one read of the data, in seconds. Each read is tried up to three times.",
)
@_option("--log-every", "log_every_steps", "Steps between lines of metrics.jsonl.")
@_option("--checkpoint-every", "checkpoint_every_steps", "Steps between checkpoints.")
@_option("--sample-every", "sample_every_steps", "Steps between grids of samples.")
@_option("--eval-every", "evaluate_every_steps", "Steps between evaluations; 0 for none.")
@_option(
    "--best-by",
    "best_by",
    "Score that decides which checkpoint is the best; auto is the model's first score.",
    type=click.Choice(get_args(config.ScoreName)),
)
@_option(
    "--stop-after",
    "stop_after",
    "Stop after this many evaluations in a row without an improvement beyond the score's "
    "confidence interval; 0 for never.",
)
@_option("--keep", "keep", "Number of newest checkpoints to keep, besides the best.")
@_option(
    "--checkpoint-dir",
    "checkpoint_dir",
    "Directory of the checkpoints, or a URL that TensorFlow can reach, such as gs://bucket/run.",
    show_default="RUN_DIR/checkpoints",
)
@_option(
    "--max-rollbacks",
    "max_rollbacks",
    "After a NaN or infinite value, return to the last good checkpoint at most this many times.",
)
@click.option(
    "--workers",
    metavar="HOST:PORT,...",
    help="Addresses of all multi-worker processes, the same list on each.",
)
@click.option(
    "--worker-index", type=int, help="Place of this process in the list of --workers, from 0."
)
@_option(
    "--worker-timeout",
    "worker_timeout_seconds",
    "Longest time to wait for the other workers, in seconds.",
)
@click.option("--tpu", metavar="NAME", help="Name of a TPU. [default: the TPU of this machine]")
@click.option("--dry-run", is_flag=True, help="Print the configuration and networks; do not train.")
@click.pass_context
def train(
    context: click.Context,
    run_dir: Path | None,
    file: Path | None,
    pairs: tuple[str, ...],
    dry_run: bool,
    workers: str | None,
    worker_index: int | None,
    tpu: str | None,
    **options: Any,
) -> None:
    """Train a model. The same command resumes a run that was stopped.

    Ctrl-C saves and stops. The run directory holds config.yaml, metrics.jsonl, tensorboard/,
    samples/, checkpoints/ and, at the end, generator/: a SavedModel for `gantf-eval`.

    Exit code: 0 done, 1 diverged, 2 invalid options or data, 75 saved after SIGTERM (start the
    same command again), 130 saved after Ctrl-C.
    """
    from gantf.console import Terminal
    from gantf.training import launch

    fields = config.read_file(file) if file else {}
    for name, value in options.items():
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT:
            fields[name] = value
    fields["settings"] = {**fields.get("settings", {}), **config.parse_settings(pairs)}
    job = launch.resolve(fields, run_dir, workers, worker_index, tpu)
    if dry_run:
        click.echo(launch.describe(job))
        return
    terminal = Terminal()
    try:
        stopped = launch.start(job, terminal)
    except errors.DivergedError as error:
        raise click.ClickException(str(error)) from None
    except errors.WorkerLostError as error:
        launch.restart(str(error), terminal)
    if stopped:
        sys.exit(EXIT_SAVED if stopped == signal.SIGTERM else EXIT_INTERRUPTED)
    for path in sorted(job.run_dir.glob("generator*")):
        click.echo(f"{path}")


@main.command()
@_run_dir_argument
@click.option(
    "--n",
    "count",
    default=64,
    show_default=True,
    type=click.IntRange(min=1),
    help="Number of images.",
)
@click.option(
    "--out", default=Path("samples.png"), show_default=True, type=_PATH, help="PNG file to write."
)
@_seed_option("Seed of the latents and the noise.")
@_checkpoint_option("last")
@click.option("--label", help="Class to draw, by name or number; for conditional models.")
@click.option("--prompt", help="Text to draw; for models that take text.")
@_truncation_option
@click.option(
    "--reconstruct",
    type=_PATH,
    help="Folder of images: show each beside its reconstruction; for vaegan.",
)
@click.option(
    "--interpolate",
    nargs=2,
    type=_PATH,
    help="Two image files: show N steps from the first to the second; for vaegan.",
)
def sample(run_dir: Path, out: Path, checkpoint: str, **options: Any) -> None:
    """Draw images from a run's generator into one grid."""
    if out.suffix.lower() != ".png":
        raise InputError(f"--out {out}: the grid is a PNG; give a name that ends in .png.")
    import_tensorflow()
    from gantf.generation import draw, image_grid
    from gantf.runs import restore

    restored = restore.load(run_dir, checkpoint)
    images, columns = draw.draw(restored, **options)
    image_grid.save(images, out, columns)
    click.echo(f"{out}")


@main.command()
@_run_dir_argument
@click.argument("in_dir", type=_PATH)
@click.argument("out_dir", type=_PATH)
@click.option("--direction", help="a2b or b2a; for models that translate in both directions.")
@_checkpoint_option("last")
@_seed_option("Seed of the generator's noise; for pix2pix.")
@click.option(
    "--tile",
    "tile_px",
    default=1024,
    show_default=True,
    type=click.IntRange(min=32),
    help="Translate larger images in tiles of this many pixels a side, to save memory.",
)
def translate(run_dir: Path, in_dir: Path, out_dir: Path, checkpoint: str, **options: Any) -> None:
    """Translate every image of IN_DIR, of any size, into a PNG of the same name in OUT_DIR.

    Images that are already in OUT_DIR stay as they are, so the same command resumes. The tiles of
    a large image match only approximately if the model normalises over the image, as cyclegan and
    pix2pix do. A --tile as large as the image translates it whole.
    """
    import_tensorflow()
    from gantf.console import Terminal
    from gantf.generation import translate
    from gantf.runs import restore

    restored = restore.load(run_dir, checkpoint)
    count = translate.translate(restored.game, in_dir, out_dir, Terminal(), **options)
    click.echo(f"{out_dir} ({count} images)")


@main.command()
@_run_dir_argument
@_checkpoint_option("best")
@_truncation_option
def export(run_dir: Path, checkpoint: str, truncation: float | None) -> None:
    """Write a checkpoint's generator as a SavedModel.

    It goes to RUN_DIR/generator, RUN_DIR/best/generator or RUN_DIR/step-1000/generator.
    """
    import_tensorflow()
    from gantf.generation import draw
    from gantf.generation.export import export_dir, save
    from gantf.runs import restore

    restored = restore.load(run_dir, checkpoint)
    draw.truncate(restored.game, truncation)
    directory = export_dir(run_dir, checkpoint)
    targets = save(restored.game, restored.run, restored.data, restored.step, directory)
    for target in targets:
        click.echo(f"{target} (step {restored.step})")


@main.command("models")
@click.argument("name", required=False)
def list_models(name: str | None) -> None:
    """List the models, or the settings of one model and their defaults."""
    import_tensorflow()
    if name is None:
        for each in models.names():
            click.echo(models.summary(models.load(each)))
        return
    module = models.load(name)
    click.echo((module.__doc__ or "").strip())
    default = models.defaults(module)
    click.echo(
        f"\nBy default: --data {default.data} --steps {default.steps} "
        f"--batch-size {default.batch_size}"
    )
    for key, field in module.Config.model_fields.items():
        value = config.format_value(field.default)
        click.echo(f"\n  --set {key}={value}\n      {field.description}")


@main.command("datasets")
def list_datasets() -> None:
    """List the values of --data."""
    from evaluation import datasets

    for name in datasets.names():
        click.echo(name)
    click.echo("folder:PATH   a directory of images; its sub-directories are the labels")
    click.echo("NAME          any image data set of TensorFlow Datasets, e.g. cifar10 or celeb_a")


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def doctor(as_json: bool) -> None:
    """Show versions, devices, and what each --strategy would do here or lacks.

    Exit code: 0 if gantf can train here, 1 if something is broken.
    """
    from gantf.doctor import report

    results = report.collect()
    click.echo(report.as_json(results) if as_json else report.as_text(results))
    sys.exit(report.exit_code(results))
