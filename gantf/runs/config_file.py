"""`config.yaml` in a run's directory, and whether a new configuration may resume the run."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pydantic
import yaml

from evaluation import InputError
from gantf.config import FORMER_SETTINGS, MAY_CHANGE, RunConfig
from gantf.runs import files

FILE = "config.yaml"


def dump(config: RunConfig) -> str:
    """Returns the configuration as YAML."""
    return yaml.safe_dump(config.model_dump(), sort_keys=False)


def save(config: RunConfig, run_dir: Path) -> None:
    """Writes `config.yaml`, whole or not at all.

    Raises:
      InputError: it cannot be written.
    """
    files.write(run_dir / FILE, dump(config).encode())


def load(run_dir: Path) -> RunConfig:
    """Reads the configuration of a run.

    Raises:
      InputError: there is no run, or its file is damaged.
    """
    path = run_dir / FILE
    if not path.is_file():
        raise InputError(f"{run_dir} is no run directory: it has no config.yaml; train one first.")
    try:
        return RunConfig(**yaml.safe_load(path.read_text()))
    except (yaml.YAMLError, UnicodeError, TypeError, pydantic.ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} is damaged ({reason}); restore it or start a new run.") from None


def shared_by_workers(run: RunConfig) -> dict[str, Any]:
    """Returns everything that must be the same on all workers, by the name of the option.

    Paths are left out, since they may differ between machines; a model file counts by its content.
    """
    paths = {"data", "data_sha256", "checkpoint_dir"}
    timeouts = {"worker_timeout_seconds", "data_timeout_seconds"}
    fields = run.model_dump(mode="json", exclude=paths | timeouts)
    settings = fields.pop("settings")
    if Path(run.model).is_file():
        content = Path(run.model).read_bytes()
        fields["model"] = f"{Path(run.model).name} (SHA-256 {hashlib.sha256(content).hexdigest()})"
    return fields | settings


def identity(run: RunConfig) -> str:
    """Returns a hash of everything that may not change; it tells the checkpoints of runs apart."""
    fields = run.model_dump(mode="json", exclude={*MAY_CHANGE, "checkpoint_dir"})
    fields["settings"] = _by_former_names(fields["settings"])
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def check_same_run(old: RunConfig, new: RunConfig, run_dir: Path) -> None:
    """Checks that a new configuration may resume a run.

    Raises:
      InputError: a field differs that may not change; the line names all such fields.
    """
    before, after = old.model_dump(), new.model_dump()
    pairs = [
        (name, before[name], after[name])
        for name in before
        if name not in MAY_CHANGE and name != "settings"
    ]
    was, now = (_by_former_names(fields["settings"]) for fields in (before, after))
    pairs += [
        (f"set {FORMER_SETTINGS.get(key, key)}", was.get(key), now.get(key))
        for key in sorted({*was, *now})
    ]
    changed = [f"{name} was {old}, now {new}" for name, old, new in pairs if old != new]
    if changed:
        raise InputError(
            f"{run_dir} holds a run of another configuration ({'; '.join(changed)}); "
            "give the same options to continue it, or another --run-dir."
        )


def _by_former_names(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns settings under the names of version 0.1, so that its runs compare as equal."""
    former = {present: name for name, present in FORMER_SETTINGS.items()}
    return {former.get(name, name): value for name, value in settings.items()}
