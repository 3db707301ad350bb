"""What a user may say of a generator that does not say it itself."""

import dataclasses
import math
import re
from collections.abc import Collection
from typing import Any, Literal

from evaluation.core import validation
from evaluation.errors import InputError

LatentLaw = str
"""\"normal\", \"uniform\" in [-1, 1], or \"truncated:0.7\": normal, given that it is within 0.7."""

LabelLaw = str | int
"""\"uniform\", \"reference\" for the reference's shares, or the number of one class."""

LEAST_BOUND = 0.01  # a normal number within it is one of 125: with fewer, float32 would tell


@dataclasses.dataclass(frozen=True)
class GeneratorOptions:
    """Overrides of what is declared in generator.json, or inferred from a signature.

    None leaves each to the file or the guess.

    Attributes:
      latent_dim: numbers per latent.
      latent: their law.
      labels: which labels a conditional generator is asked for.
      value_range: (low, high) of the images that it gives, or of an array of floats.
      layout: where the channels are.
      signature: which of a SavedModel's functions.
      batch_size: images drawn at once.
      step: which checkpoint of a gantf run; None for the best.
      trust: load programs even where they can read or write files or run Python.
      strict: refuse what would otherwise be converted and said: gray against RGB, say.

    Raises:
      InputError: a value of another kind; the line names the option.
    """

    latent_dim: int | None = None
    latent: LatentLaw | None = None
    labels: LabelLaw | None = None
    value_range: tuple[float, float] | None = None
    layout: Literal["NHWC", "NCHW"] | None = None
    signature: str | None = None
    batch_size: int | None = None
    step: int | None = None
    trust: bool = False
    strict: bool = False

    def __post_init__(self) -> None:
        for name, least in (("latent_dim", 1), ("batch_size", 1), ("step", 0)):
            if getattr(self, name) is not None:
                validation.check_whole(name, getattr(self, name), least)
        if self.latent is not None:
            truncation(self.latent)
        _check_labels(self.labels)
        if self.value_range is not None:
            object.__setattr__(self, "value_range", _checked_range(self.value_range))
        if self.layout is not None:
            validation.check_choice("layout", self.layout, ("NHWC", "NCHW"))
        if self.signature is not None and not isinstance(self.signature, str):
            line = f"signature={validation.shown(self.signature)}; it must be a function's name"
            raise InputError(line)
        for name in ("trust", "strict"):
            if not isinstance(getattr(self, name), bool):
                value = validation.shown(getattr(self, name))
                raise InputError(f"{name}={value}; it must be True or False")


def truncation(latent: Any) -> float | None:
    """The bound of "truncated:BOUND"; None of the laws without one.

    Raises:
      InputError: no law of latents.
    """
    if isinstance(latent, str):
        if latent in ("normal", "uniform"):
            return None
        found = re.fullmatch(r"truncated:([0-9.e+-]+)", latent)
        if found:
            try:
                bound = float(found[1])
            except ValueError:
                bound = math.nan
            if LEAST_BOUND <= bound < math.inf:
                return bound
    raise InputError(
        f"latent={validation.shown(latent)}; it must be normal, uniform, or truncated:BOUND with a "
        f"bound of {LEAST_BOUND} or more, such as truncated:0.7"
    )


def refuse_others(options: GeneratorOptions, serving: Collection[str], name: str, is_: str) -> None:
    """Refuses what was said of a source that it does not concern.

    Args:
      options: what was said.
      serving: the options that do concern it; `trust`, `strict` and `batch_size` never harm.
      name: the source, for the error.
      is_: what it is, for the error: "no generator".

    Raises:
      InputError: another option is set.
    """
    neutral = {"trust", "strict", "batch_size"}
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if value is not None and field.name not in neutral and field.name not in serving:
            line = f"{field.name}={validation.shown(value)}: {name} is {is_}; leave it out."
            raise InputError(line)


def _check_labels(labels: Any) -> None:
    if labels is None or labels in ("uniform", "reference"):
        return
    if isinstance(labels, bool) or not isinstance(labels, int) or labels < 0:
        raise InputError(
            f"labels={validation.shown(labels)}; it must be uniform, reference, or a class's number"
        )


def _checked_range(value: Any) -> tuple[float, float]:
    if isinstance(value, tuple | list) and len(value) == 2:
        low, high = (validation.check_number("value_range", side) for side in value)
        if math.isfinite(low) and math.isfinite(high) and low < high:
            return low, high
    raise InputError(
        f"value_range={validation.shown(value)}; it must be (low, high) with low < high, "
        "such as (-1, 1)"
    )
