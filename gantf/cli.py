"""The `gantf` command. TensorFlow is imported inside the commands: `--help` answers at once."""

import dataclasses
import errno
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn, get_args

import click

from evaluation import InputError, OneLineErrors, import_tensorflow
from gantf import config as configs
from gantf import errors, models
from gantf.distribute import cluster
from gantf.runs import config_file, files

INTERRUPTED = 130  # by Ctrl-C
TEMPORARY = 75  # EX_TEMPFAIL: saved after SIGTERM; start the same command again
MOST_RESTARTS = 20


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
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(
                f"{error.filename or 'the disk of the run'}: {error.strerror}; free space, and the "
                "same command goes on."
            ) from None
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
    return click.option(
        name, field, **{"default": default, "show_default": True, "help": text, **more}
    )


@main.command()
@_option("--model", "model", "One of `gantf models`, or a Python file of your own.")
@_option(
    "--data",
    "data",
    "One of `gantf datasets`, any TFDS name, folder:PATH, or two of them: folder:A,folder:B.",
    default=None,
    show_default="the model's",
)
@_option("--size", "size_px", "Crop and resize to so many pixels a side.", type=int)
@_option(
    "--steps",
    "steps",
    "A step is one move of every player.",
    type=int,
    default=None,
    show_default="the model's",
)
@_option(
    "--batch-size",
    "batch_size",
    "Images in a step, over all replicas.",
    type=int,
    default=None,
    show_default="the model's",
)
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
    "--config",
    "file",
    type=click.Path(path_type=Path),
    help="A YAML file of these options, such as a run's config.yaml; options given here win.",
)
@click.option(
    "--set", "pairs", multiple=True, metavar="KEY=VALUE", help="A setting of the model; repeatable."
)
@_option("--skip-corrupt", "skip_corrupt", "Leave out images that cannot be read.", is_flag=True)
@_option(
    "--data-timeout",
    "data_timeout_seconds",
    "Seconds that one read of the data may take; then it is tried again, three times in all.",
    type=float,
)
@_option("--log-every", "log_every_steps", "Steps in a line of metrics.jsonl.", type=int)
@_option("--checkpoint-every", "checkpoint_every_steps", "Steps.", type=int)
@_option("--sample-every", "sample_every_steps", "Steps between grids of samples.", type=int)
@_option("--eval-every", "evaluate_every_steps", "Steps between scores; 0 for none.", type=int)
@_option(
    "--best-by",
    "best_by",
    "The score whose best checkpoint is kept; auto is the model's first.",
    type=click.Choice(get_args(configs.ScoreName)),
)
@_option(
    "--stop-after",
    "stop_after",
    "Scores in a row without improvement beyond the interval that end the run; 0 for never.",
    type=int,
)
@_option("--keep", "keep", "Newest checkpoints kept, besides the best.", type=int)
@_option(
    "--checkpoint-dir",
    "checkpoint_dir",
    "Where checkpoints go: a directory, or a URL that TensorFlow reaches, gs://bucket/run.",
    show_default="RUN_DIR/checkpoints",
)
@_option(
    "--max-rollbacks",
    "max_rollbacks",
    "How often a run that is no longer finite goes back to a checkpoint.",
    type=int,
)
@click.option("--workers", metavar="HOST:PORT,...", help="All workers of multi-worker, the same.")
@click.option("--worker-index", type=int, help="Which of --workers this process is, from 0.")
@_option(
    "--worker-timeout",
    "worker_timeout_seconds",
    "Seconds to wait for the other workers.",
    type=float,
)
@click.option("--tpu", metavar="NAME", help="A TPU by name. [default: that of this machine]")
@click.option("--dry-run", is_flag=True, help="Print what would be trained, and train nothing.")
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
    """Train a model; the same command goes on where it stopped.

    Ctrl-C saves and stops. The run directory holds config.yaml, metrics.jsonl, tensorboard/,
    samples/, checkpoints/ and, at the end, generator/: a SavedModel for `gantf-eval`.

    Exit code: 0 done, 1 diverged, 2 a mistake in what was given, 75 saved after SIGTERM (start it
    again), 130 saved after Ctrl-C.
    """
    with _user_errors():
        given = {
            name: value
            for name, value in options.items()
            if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT
        }
        fields = {**(configs.read_file(file) if file else {}), **given}
        own = configs.parse_settings(pairs)
        first = configs.make_run_config(**{**fields, "settings": {}})
        _take_places(first.strategy, workers, worker_index, tpu)
        name = _absolute_model(first.model)
        models.check(name)
        import_tensorflow()
        model = models.load(name)
        wanted = {**fields.pop("settings", {}), **own}
        settings = configs.make_model_config(model.Config, wanted, models.title(name))
        fields = {**dataclasses.asdict(models.defaults(model)), **fields, "model": name}
        fields["settings"] = settings.model_dump(mode="json")
        fields["checkpoint_dir"] = _absolute_place(fields.get("checkpoint_dir", ""))
        run = configs.make_run_config(**{**fields, "data": _absolute(fields["data"])})
        run_dir = run_dir or Path("runs") / f"{models.title(name)}-{_as_file_name(run.data)}"
        if dry_run:
            with models.mistakes_named(name):
                _tell(run, model, settings)
            return
        from gantf.console import Terminal
        from gantf.training import trainer

        _make_deterministic()
        try:
            with models.mistakes_named(name):
                stopped = trainer.train(run, run_dir, model, settings, Terminal())
        except errors.DivergedError as error:
            raise click.ClickException(str(error)) from None
        except errors.WorkerLostError as error:
            _start_again(str(error))
    if stopped:
        sys.exit(TEMPORARY if stopped == signal.SIGTERM else INTERRUPTED)
    for path in sorted(run_dir.glob("generator*")):
        click.echo(f"{path}")


def _take_places(
    strategy: str, workers: str | None, worker_index: int | None, tpu: str | None
) -> None:
    """Hands on to TensorFlow's resolvers which worker this is, and which TPU."""
    for option, value, wanted in (("workers", workers, "multi-worker"), ("tpu", tpu, "tpu")):
        if value is not None and strategy != wanted:
            raise InputError(
                f"--{option} {value} is of --strategy {wanted}, and --strategy is {strategy}; give "
                "both, or neither."
            )
    if workers is not None:
        cluster.set_tf_config(workers, worker_index)
    elif worker_index is not None:
        raise InputError(f"--worker-index {worker_index} needs --workers: HOST:PORT of each.")
    if tpu is not None:
        os.environ["TPU_NAME"] = tpu


def _start_again(reason: str) -> NoReturn:
    """Becomes a new process of the same command, which waits for the worker that is gone."""
    restarts = int(os.environ.get(errors.RESTARTS, "0")) + 1
    if restarts > MOST_RESTARTS:
        raise InputError(
            f"a worker was lost {MOST_RESTARTS} times in a row ({reason}); see its own messages."
        )
    os.environ[errors.RESTARTS] = str(restarts)
    click.echo(f"another worker is gone ({reason}); starting again from the checkpoint", err=True)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _tell(run: configs.RunConfig, model: ModuleType, settings: configs.ModelConfig) -> None:
    """Prints the resolved configuration and the networks, as `--dry-run` asks."""
    from gantf.game import describe_game
    from gantf.training import setup

    ready = setup.prepare(run, model, settings)
    click.echo(config_file.dump(ready.run))
    click.echo(describe_game(ready.game))


@main.command()
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option("--n", "count", default=64, show_default=True, type=click.IntRange(min=1))
@click.option("--out", default=Path("samples.png"), type=click.Path(path_type=Path))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option("--checkpoint", default="last", show_default=True, help="last, best or a step.")
@click.option("--label", help="A class, by name or number; conditional models.")
@click.option("--prompt", help="A text; models that read some.")
@click.option("--truncation", type=click.FloatRange(0, 1), help="0: the average image; StyleGAN2.")
@click.option(
    "--reconstruct",
    type=click.Path(path_type=Path),
    help="A folder of images: each beside what the model makes of it; VAE-GAN.",
)
@click.option(
    "--interpolate",
    nargs=2,
    type=click.Path(path_type=Path),
    help="Two images: N steps from one to the other; VAE-GAN.",
)
def sample(run_dir: Path, out: Path, checkpoint: str, **wanted: Any) -> None:
    """Draw images from a run's generator into one grid."""
    with _user_errors():
        if out.suffix.lower() != ".png":
            raise InputError(f"--out {out}: the grid is a PNG; give a name that ends in .png.")
        import_tensorflow()
        from gantf.generation import draw, image_grid
        from gantf.runs import restore

        restored = restore.load(run_dir, checkpoint)
        images, columns = draw.draw(restored, **wanted)
        image_grid.save(images, out, columns)
    click.echo(f"{out}")


@main.command()
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.argument("in_dir", type=click.Path(path_type=Path))
@click.argument("out_dir", type=click.Path(path_type=Path))
@click.option("--direction", help="a2b or b2a, of a model that goes both ways.")
@click.option("--checkpoint", default="last", show_default=True, help="last, best or a step.")
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Of pix2pix's noise."
)
@click.option(
    "--tile",
    "tile_px",
    default=1024,
    show_default=True,
    type=click.IntRange(min=32),
    help="Pixels a side of the pieces that larger images are translated in, to save memory.",
)
def translate(run_dir: Path, in_dir: Path, out_dir: Path, checkpoint: str, **wanted: Any) -> None:
    """Translate every image of IN_DIR, of any size, into a PNG of the same name in OUT_DIR.

    Images that are there already are left: the same command goes on where it stopped. Tiles of a
    large image fit together only nearly where a model normalises over the image, as cyclegan and
    pix2pix do; a --tile of the image's own size translates it whole.
    """
    with _user_errors():
        import_tensorflow()
        from gantf.console import Terminal
        from gantf.generation import translate
        from gantf.runs import restore

        restored = restore.load(run_dir, checkpoint)
        count = translate.translate(restored.game, in_dir, out_dir, Terminal(), **wanted)
    click.echo(f"{out_dir} ({count} images)")


@main.command()
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option("--checkpoint", default="best", show_default=True, help="last, best or a step.")
@click.option("--truncation", type=click.FloatRange(0, 1), help="0: the average image; StyleGAN2.")
def export(run_dir: Path, checkpoint: str, truncation: float | None) -> None:
    """Write the generator of a checkpoint: RUN_DIR/best/generator, RUN_DIR/step-1000/generator."""
    with _user_errors():
        import_tensorflow()
        from gantf.generation import draw
        from gantf.generation import export as exporting
        from gantf.runs import restore

        restored = restore.load(run_dir, checkpoint)
        draw.truncate(restored.game, truncation)
        place = exporting.home(run_dir, checkpoint)
        targets = exporting.save(restored.game, restored.run, restored.data, restored.step, place)
    for target in targets:
        click.echo(f"{target} (step {restored.step})")


@main.command("models")
@click.argument("name", required=False)
def list_models(name: str | None) -> None:
    """List the models, or the settings of one with their defaults."""
    with _user_errors():
        import_tensorflow()
        if name is None:
            for known in models.names():
                click.echo(models.summary(models.load(known)))
            return
        module = models.load(name)
        click.echo((module.__doc__ or "").strip())
        standard = models.defaults(module)
        click.echo(
            f"\nBy default: --data {standard.data} --steps {standard.steps} "
            f"--batch-size {standard.batch_size}"
        )
        for key, field in module.Config.model_fields.items():
            click.echo(f"\n  --set {key}={configs.shown(field.default)}\n      {field.description}")


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
    """Folders by their whole paths, so that the run means the same from anywhere."""
    return ",".join(
        f"{configs.FOLDER}{Path(part.removeprefix(configs.FOLDER)).absolute()}"
        if part.startswith(configs.FOLDER) and part != configs.FOLDER
        else part
        for part in configs.data_names(data)
    )


def _absolute_place(text: str) -> str:
    """A directory by its whole path, a URL as it is; "" for none.

    Raises:
      InputError: TensorFlow does not reach this kind of URL.
    """
    found = files.place(text)
    return str(found.absolute() if text and isinstance(found, Path) else text)


def _absolute_model(name: str) -> str:
    """A model's own name, or its file's whole path."""
    return str(Path(name).absolute()) if models.is_file(name) else name


def _as_file_name(data: str) -> str:
    """What a run directory is called after its data: "digits", or a folder's own name."""
    parts = [
        Path(part.removeprefix(configs.FOLDER)).name if part.startswith(configs.FOLDER) else part
        for part in configs.data_names(data)
    ]
    whole = "-".join(parts)
    return "".join(letter if letter.isalnum() else "-" for letter in whole).strip("-")


def _make_deterministic() -> None:
    """Every run of the same configuration gives the same bits."""
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print the same as JSON.")
def doctor(as_json: bool) -> None:
    """Tell versions, devices, what each strategy would do here, and what the others lack."""
    from gantf.doctor import report as examining

    rows = examining.examine()
    click.echo(examining.as_json(rows) if as_json else examining.as_text(rows))
    sys.exit(examining.exit_code(rows))
