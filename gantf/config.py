"""The configuration of a run: parsed from the command line, checked, stored in `config.yaml`."""

import dataclasses
import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import pydantic
import yaml
from pydantic import Field

from evaluation import InputError

Item = TypeVar("Item")


def _split(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(part for part in value.split(",") if part and part != "none")
    return value


FOLDER = "folder:"
LONGEST_SECONDS = 10.0**7  # upper limit of all timeouts: about four months
Names = Annotated[tuple[Item, ...], pydantic.BeforeValidator(_split)]
"""A setting that holds several words: "color,cutout"; "none" or "" for no word."""


class ModelConfig(pydantic.BaseModel):
    """The base class of every model's `Config`: frozen, refuses unknown keys."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @pydantic.model_validator(mode="before")
    @classmethod
    def _read_none(cls, settings: Any) -> Any:
        """Turns the word "none" into None for settings that can be None."""
        if not isinstance(settings, Mapping):
            return settings
        fields = cls.model_fields.items()
        optional = {name for name, field in fields if type(None) in get_args(field.annotation)}
        return {
            name: None if value == "none" and name in optional else value
            for name, value in settings.items()
        }


@dataclasses.dataclass(frozen=True)
class Defaults:
    """A model's default data, number of steps and batch size."""

    data: str = "digits"
    steps: int = 4000
    batch_size: int = 64


StrategyName = Literal["auto", "one-device", "mirrored", "multi-worker", "tpu"]
ScoreName = Literal["auto", "fid", "kid", "coverage", "psnr", "ssim", "l1"]


class RunConfig(pydantic.BaseModel):
    """The options of a run."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    # These decide the result: a run directory belongs to one choice of them.
    model: str = "gan"
    data: str = "digits"
    data_sha256: str = ""
    size_px: int | None = Field(None, ge=8, le=2**14)
    batch_size: int = Field(64, ge=1, le=2**20)
    seed: int = Field(0, ge=0, lt=2**31)
    skip_corrupt: bool = False
    settings: dict[str, Any] = Field(default_factory=dict)
    checkpoint_dir: str = ""
    # These may change when a run is resumed.
    steps: int = Field(4000, ge=1, le=2**53)
    strategy: StrategyName = "auto"
    logical_cpus: int = Field(1, ge=1)
    log_every_steps: int = Field(100, ge=1)
    checkpoint_every_steps: int = Field(500, ge=1)
    sample_every_steps: int = Field(1000, ge=1)
    evaluate_every_steps: int = Field(1000, ge=0)
    best_by: ScoreName = "auto"
    stop_after: int = Field(0, ge=0)
    keep: int = Field(3, ge=1)
    max_rollbacks: int = Field(3, ge=0)
    worker_timeout_seconds: float = Field(600.0, gt=0, le=LONGEST_SECONDS)
    data_timeout_seconds: float = Field(120.0, gt=0, le=LONGEST_SECONDS)


FORMER_SETTINGS = {
    "final_learning_rate_share": "final_learning_rate_fraction",
    "final_penalty_share": "final_penalty_fraction",
    "latent_law": "latent_distribution",
}
"""Maps the names of settings in version 0.1 to their present names."""

MAY_CHANGE = (
    "steps",
    "strategy",
    "logical_cpus",
    "log_every_steps",
    "checkpoint_every_steps",
    "sample_every_steps",
    "evaluate_every_steps",
    "best_by",
    "stop_after",
    "keep",
    "max_rollbacks",
    "worker_timeout_seconds",
    "data_timeout_seconds",
)


def format_value(value: Any) -> str:
    """Formats a setting's value as `--set` takes it."""
    if isinstance(value, tuple):
        return ",".join(value) or "none"
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def data_names(data: str) -> list[str]:
    """Splits `--data` at its comma into one or two data sets.

    If a folder with a comma in its path exists, the comma belongs to the path.
    """
    if Path(data.removeprefix(FOLDER)).is_dir():
        return [data]
    first, comma, second = data.partition(f",{FOLDER}" if f",{FOLDER}" in data else ",")
    return [first, comma[1:] + second] if second else [data]


def parse_settings(pairs: tuple[str, ...]) -> dict[str, str]:
    """Parses ("loss=hinge", ...) into {"loss": "hinge", ...}.

    Raises:
      InputError: a pair has no "=", or a key appears twice.
    """
    settings: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise InputError(f"--set {pair!r}: write it as KEY=VALUE, e.g. --set loss=hinge.")
        name = FORMER_SETTINGS.get(key, key)
        if name in {FORMER_SETTINGS.get(other, other) for other in settings}:
            also = f" ({key} is a former name of it)" if name != key else ""
            raise InputError(f"--set {name} appears twice{also}; give it once.")
        settings[key] = value
    return settings


def make_model_config(
    config_class: type[ModelConfig], settings: Mapping[str, Any], model: str
) -> ModelConfig:
    """Checks a model's settings. Accepts the former names of settings.

    Args:
      config_class: the model's `Config`.
      settings: values or their texts, by the names of the settings. If a setting appears under two
        names, the later one wins.
      model: the model's name, for messages.

    Raises:
      InputError: a key is unknown (the message names the nearest one), or a value has the wrong
        type or is out of range.
    """
    fields = config_class.model_fields
    former = {key: FORMER_SETTINGS.get(key, key) for key in settings if key not in fields}
    settings = {former.get(key, key): value for key, value in settings.items()}
    for key in settings:
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"see `gantf models {model}`."
            raise InputError(f"--set {key}: the model {model!r} has no such setting; {hint}")
    try:
        return config_class(**settings)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        message = first["msg"].removeprefix("Value error, ")
        if not first["loc"]:
            raise InputError(f"--set: {message}.") from None
        key = str(first["loc"][0])
        raise InputError(
            f"--set {key}={settings[key]}: {message[0].lower()}{message[1:]} "
            f"({fields[key].description}; default {fields[key].default!r})."
        ) from None


def make_run_config(**values: Any) -> RunConfig:
    """Checks the options of a run.

    Raises:
      InputError: a value has the wrong type or is out of range; the message names the option.
    """
    try:
        return RunConfig(**values)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        option = "--" + re.sub("_(px|steps|seconds)$", "", str(first["loc"][0]))
        option = option.replace("_", "-").replace("evaluate", "eval")
        message = first["msg"][0].lower() + first["msg"][1:]
        raise InputError(f"{option} {first['input']}: {message}.") from None


def read_file(path: Path) -> dict[str, Any]:
    """Reads fields of `RunConfig` from a YAML file, such as the `config.yaml` of a run.

    Raises:
      InputError: the file cannot be read, or has a field that `RunConfig` does not have.
    """
    try:
        fields = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError, UnicodeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"--config {path}: the file cannot be read as YAML ({reason}).") from None
    if not isinstance(fields, dict) or not isinstance(fields.get("settings", {}), dict):
        raise InputError(
            f"--config {path}: the file must hold options and their values, such as "
            "`steps: 2000`, and the settings of the model under `settings:`."
        )
    for name in fields:
        if name not in RunConfig.model_fields:
            near = difflib.get_close_matches(str(name), RunConfig.model_fields, n=1)
            names = ", ".join(RunConfig.model_fields)
            hint = f"did you mean {near[0]!r}?" if near else f"choose from {names}."
            raise InputError(f"--config {path}: {name} is not an option of a run; {hint}")
    fields.pop("data_sha256", None)
    return fields
