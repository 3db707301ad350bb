"""Completes the options of a training, starts it, and restarts it after a lost worker.

Imports TensorFlow only after the first checks, so that most mistakes are reported at once.
"""

import dataclasses
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from evaluation import InputError, import_tensorflow
from gantf import config, errors, models
from gantf.console import Terminal
from gantf.distribute import cluster, devices
from gantf.runs import config_file, files

MOST_RESTARTS = 20


@dataclasses.dataclass(frozen=True)
class Job:
    """A training with all its options resolved.

    Attributes:
      run: the configuration of the run.
      run_dir: the run directory.
      model: the module of the model.
      settings: the model's `Config`.
    """

    run: config.RunConfig
    run_dir: Path
    model: ModuleType
    settings: config.ModelConfig


def resolve(
    options: Mapping[str, Any],
    run_dir: Path | None = None,
    workers: str | None = None,
    worker_index: int | None = None,
    tpu: str | None = None,
) -> Job:
    """Completes the options with the model's defaults, and makes their paths absolute.

    Sets TF_CONFIG and TPU_NAME in the environment if `workers` or `tpu` is not None.

    Args:
      options: fields of `RunConfig`; `settings` may hold text values.
      run_dir: the run directory; None for runs/MODEL-DATA.
      workers: HOST:PORT of every worker, separated by commas; for "multi-worker".
      worker_index: the place of this process in `workers`, from 0.
      tpu: the name of a TPU; for "tpu".

    Raises:
      InputError: an option is unknown, not valid, or does not fit the others.
    """
    first = config.make_run_config(**{**options, "settings": {}})
    _set_environment(first.strategy, workers, worker_index, tpu)
    name = str(Path(first.model).absolute()) if models.is_file(first.model) else first.model
    models.check(name)
    import_tensorflow()
    model = models.load(name)
    title = models.title(name)
    settings = config.make_model_config(model.Config, options.get("settings", {}), title)
    fields = {**dataclasses.asdict(models.defaults(model)), **options, "model": name}
    fields["settings"] = settings.model_dump(mode="json")
    fields["checkpoint_dir"] = _absolute_directory(fields.get("checkpoint_dir", ""))
    fields["data"] = _absolute_data(fields["data"])
    run = config.make_run_config(**fields)
    return Job(run, run_dir or Path("runs") / f"{title}-{_data_title(run.data)}", model, settings)


def describe(job: Job) -> str:
    """Returns the configuration as YAML and a table of each network. Builds the game for it.

    Raises:
      InputError: the data, the strategy or the settings do not fit together.
    """
    from gantf.game import describe_game
    from gantf.training import setup

    with models.mistakes_named(job.run.model):
        ready = setup.prepare(job.run, job.model, job.settings)
        return f"{config_file.dump(ready.run)}\n{describe_game(ready.game)}"


def start(job: Job, terminal: Terminal) -> int:
    """Trains deterministically: the same configuration gives the same bits.

    Arguments, result and errors are those of `trainer.train`.
    """
    import tensorflow as tf

    from gantf.training import trainer

    tf.config.experimental.enable_op_determinism()
    with models.mistakes_named(job.run.model):
        return trainer.train(job.run, job.run_dir, job.model, job.settings, terminal)


def restart(reason: str, terminal: Terminal) -> NoReturn:
    """Replaces this process by a new one with the same command, which waits for all workers.

    Args:
      reason: why the worker was lost.
      terminal: prints that the process restarts.

    Raises:
      InputError: this was tried `MOST_RESTARTS` times in a row.
    """
    restarts = int(os.environ.get(errors.RESTARTS, "0")) + 1
    if restarts > MOST_RESTARTS:
        raise InputError(
            f"a worker was lost {MOST_RESTARTS} times in a row ({reason}); see the messages of "
            "that worker."
        )
    os.environ[errors.RESTARTS] = str(restarts)
    terminal.say(f"another worker is gone ({reason}); restarting from the last checkpoint")
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _set_environment(
    strategy: str, workers: str | None, worker_index: int | None, tpu: str | None
) -> None:
    """Writes the workers and the TPU where TensorFlow's resolvers read them."""
    for option, value, wanted in (("workers", workers, "multi-worker"), ("tpu", tpu, "tpu")):
        if value is not None and strategy != wanted:
            raise InputError(
                f"--{option} {value} needs --strategy {wanted}, but --strategy is {strategy}; "
                "give both, or neither."
            )
    if workers is not None:
        cluster.set_tf_config(workers, worker_index)
    elif worker_index is not None:
        raise InputError(f"--worker-index {worker_index} needs --workers: HOST:PORT of each.")
    if tpu is not None:
        os.environ[devices.TPU_NAME] = tpu


def _absolute_data(data: str) -> str:
    """Makes the paths of folders absolute, so that the run does not depend on where it starts."""
    return ",".join(
        f"{config.FOLDER}{Path(part.removeprefix(config.FOLDER)).absolute()}"
        if part.startswith(config.FOLDER) and part != config.FOLDER
        else part
        for part in config.data_names(data)
    )


def _absolute_directory(text: str) -> str:
    """Makes a directory's path absolute; returns a URL and "" unchanged.

    Raises:
      InputError: TensorFlow cannot reach this kind of URL.
    """
    directory = files.place(text)
    return str(directory.absolute() if text and isinstance(directory, Path) else text)


def _data_title(data: str) -> str:
    """Returns the data's part of a run directory's name: "digits", or the name of a folder."""
    parts = [
        Path(part.removeprefix(config.FOLDER)).name if part.startswith(config.FOLDER) else part
        for part in config.data_names(data)
    ]
    title = "-".join(parts)
    return "".join(letter if letter.isalnum() else "-" for letter in title).strip("-")
