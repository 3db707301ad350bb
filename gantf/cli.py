"""The `gantf` command. TensorFlow is imported inside the commands: `--help` answers at once."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import click

from evaluation import InputError, OneLineErrors, import_tensorflow
from gantf import config as configs
from gantf import models

INTERRUPTED = 130


class UserError(click.ClickException):
    """One clear line, exit code 2."""

    exit_code = 2


@contextmanager
def _user_errors() -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise UserError(str(error)) from None
    except OSError as error:  # a full disk, a directory that cannot be written, a file in the way
        if error.filename is None:
            raise
        raise UserError(f"{error.filename}: {error.strerror}; choose another place.") from None


class _Group(OneLineErrors, click.Group):
    pass


@click.group(cls=_Group)
@click.version_option(package_name="gantf")
def main() -> None:
    """Train generative adversarial networks on any tf.distribute strategy."""


def _option(name: str, field: str, text: str, **more: Any) -> Callable:
    """An option that fills a field of `RunConfig` and shows its default."""
    default = configs.RunConfig.model_fields[field].default
    return click.option(name, field, default=default, show_default=True, help=text, **more)


@main.command()
@_option("--model", "model", "One of `gantf models`.")
@_option("--data", "data", "One of `gantf datasets`, any TFDS name, or folder:PATH.")
@_option("--size", "size_px", "Crop and resize to so many pixels a side.", type=int)
@_option("--steps", "steps", "A step is one move of every player.", type=int)
@_option("--batch-size", "batch_size", "Images in a step, over all replicas.", type=int)
@_option("--seed", "seed", "Of weights, data order and noise.", type=int)
@_option(
    "--strategy",
    "strategy",
    "Where to train.",
    type=click.Choice(get_args(configs.StrategyName)),
)
@_option("--logical-cpus", "logical_cpus", "Split the CPU into so many devices.", type=int)
@click.option("--run-dir", type=click.Path(path_type=Path), help="[default: runs/MODEL-DATA]")
@click.option(
    "--set", "pairs", multiple=True, metavar="KEY=VALUE", help="A setting of the model; repeatable."
)
@_option("--skip-corrupt", "skip_corrupt", "Leave out images that cannot be read.", is_flag=True)
@_option("--log-every", "log_every_steps", "Steps in a line of metrics.jsonl.", type=int)
@_option("--checkpoint-every", "checkpoint_every_steps", "Steps.", type=int)
@_option("--sample-every", "sample_every_steps", "Steps between grids of samples.", type=int)
@_option("--eval-every", "evaluate_every_steps", "Steps between scores; 0 for none.", type=int)
@_option(
    "--best-by",
    "best_by",
    "The score whose best checkpoint is kept.",
    type=click.Choice(get_args(configs.ScoreName)),
)
@_option("--keep", "keep", "Newest checkpoints kept, besides the best.", type=int)
def train(run_dir: Path | None, pairs: tuple[str, ...], **options: Any) -> None:
    """Train a model; the same command goes on where it stopped.

    Ctrl-C saves and stops. The run directory holds config.yaml, metrics.jsonl, tensorboard/,
    samples/, checkpoints/ and, at the end, generator/: a SavedModel for `gantf-eval`.
    """
    with _user_errors():
        given = configs.parse_settings(pairs)
        models.check(options["model"])
        run = configs.make_run_config(**{**options, "data": _absolute(options["data"])})
        import_tensorflow()
        model = models.load(run.model)
        settings = configs.make_model_config(model.Config, given, run.model)
        run = run.model_copy(update={"settings": settings.model_dump(mode="json")})
        run_dir = run_dir or Path("runs") / f"{run.model}-{_as_file_name(run.data)}"

        from gantf import logs, trainer

        _make_deterministic()
        try:
            done = trainer.train(run, run_dir, model, settings, logs.Terminal())
        except trainer.DivergedError as error:
            raise click.ClickException(str(error)) from None
    if not done:
        sys.exit(INTERRUPTED)
    click.echo(f"{run_dir / 'generator'}")


@main.command()
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option("--n", "count", default=64, show_default=True, type=click.IntRange(min=1))
@click.option("--out", default=Path("samples.png"), type=click.Path(path_type=Path))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option("--checkpoint", default="last", show_default=True, help="last, best or a step.")
def sample(run_dir: Path, count: int, out: Path, seed: int, checkpoint: str) -> None:
    """Draw images from a run's generator into one grid."""
    with _user_errors():
        if out.suffix.lower() != ".png":
            raise InputError(f"--out {out}: the grid is a PNG; give a name that ends in .png.")
        import_tensorflow()
        import numpy as np

        from gantf import grids, restoring, scoring

        restored = restoring.load(run_dir, checkpoint)
        latents = scoring.draw_latents(restored.game, count, np.random.default_rng(seed))
        grids.save(scoring.sample(restored.game, latents), out)
    click.echo(f"{out}")


@main.command()
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option("--checkpoint", default="best", show_default=True, help="last, best or a step.")
def export(run_dir: Path, checkpoint: str) -> None:
    """Write RUN_DIR/generator anew, from another checkpoint than the last."""
    with _user_errors():
        import_tensorflow()
        from gantf import export as exporting
        from gantf import restoring

        restored = restoring.load(run_dir, checkpoint)
        target = exporting.save(restored.game, restored.run, restored.step, run_dir, checkpoint)
    click.echo(f"{target} (step {restored.step})")


@main.command("models")
@click.argument("name", required=False)
def list_models(name: str | None) -> None:
    """List the models, or the settings of one with their defaults."""
    with _user_errors():
        import_tensorflow()
        if name is None:
            for known in models.names():
                docstring = models.load(known).__doc__ or ""
                click.echo(docstring.splitlines()[0].replace("`", ""))
            return
        module = models.load(name)
        click.echo((module.__doc__ or "").strip())
        for key, field in module.Config.model_fields.items():
            default = field.default
            shown = (",".join(default) or "none") if isinstance(default, tuple) else default
            click.echo(f"\n  --set {key}={shown}\n      {field.description}")


@main.command("datasets")
def list_datasets() -> None:
    """List what --data takes."""
    from evaluation import datasets

    for known in datasets.names():
        click.echo(known)
    click.echo("folder:PATH   a directory of images, sub-directories as labels")
    click.echo(
        "NAME          any image data set of TensorFlow Datasets, e.g. mnist, cifar10, celeb_a"
    )


def _absolute(data: str) -> str:
    """A folder by its whole path, so that the run means the same from anywhere."""
    if data.startswith("folder:") and data != "folder:":
        return f"folder:{Path(data.removeprefix('folder:')).absolute()}"
    return data


def _as_file_name(data: str) -> str:
    """What a run directory is called after its data: "digits", or a folder's own name."""
    last = Path(data.removeprefix("folder:")).name if data.startswith("folder:") else data
    return "".join(letter if letter.isalnum() else "-" for letter in last).strip("-")


def _make_deterministic() -> None:
    """Every run of the same configuration gives the same bits."""
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
