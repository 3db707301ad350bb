"""User options for sources: properties that a file does not declare, and overrides."""

import dataclasses
import math
import re
from collections.abc import Collection
from typing import Any, Literal

from evaluation.core import validation
from evaluation.errors import InputError

LatentDistribution = str
"""\"normal\", \"uniform\" in [-1, 1], or \"truncated:0.7\": normal, truncated to [-0.7, 0.7]."""

LabelDistribution = str | int
"""\"uniform\", \"reference\" for the reference's distribution, or the number of one class."""

LEAST_BOUND = 0.01  # it keeps one normal number in 125; below it float32 is too coarse


@dataclasses.dataclass(frozen=True)
class GeneratorOptions:
    """Overrides of values that generator.json declares, or that are inferred from a signature.

    None keeps the declared or inferred value.

    Attributes:
      latent_dim: numbers per latent.
      latent: the distribution of the latents.
      labels: the distribution of the labels of a conditional generator.
      value_range: (low, high) of the generated images, or of an array of floats.
      layout: the order of the image axes.
      signature: the name of a function in a SavedModel.
      batch_size: images drawn at once.
      step: the checkpoint of a gantf run; None for the best.
      trust: load programs even if they can read or write files or run Python.
      strict: refuse images that would otherwise be converted with a note, such as gray against RGB.

    Raises:
      InputError: a value is of the wrong type or out of range; the line names the option.
    """

    latent_dim: int | None = None
    latent: LatentDistribution | None = None
    labels: LabelDistribution | None = None
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
    """Returns the bound of "truncated:BOUND"; None for "normal" and "uniform".

    Raises:
      InputError: `latent` is no distribution of latents.
    """
    if isinstance(latent, str):
        if latent in ("normal", "uniform"):
            return None
        match = re.fullmatch(r"truncated:([0-9.e+-]+)", latent)
        if match:
            try:
                bound = float(match[1])
            except ValueError:
                bound = math.nan
            if LEAST_BOUND <= bound < math.inf:
                return bound
    raise InputError(
        f"latent={validation.shown(latent)}; it must be normal, uniform, or truncated:BOUND with a "
        f"bound of {LEAST_BOUND} or more, such as truncated:0.7"
    )


def refuse_others(
    options: GeneratorOptions, allowed: Collection[str], name: str, kind: str
) -> None:
    """Refuses options that do not apply to a source.

    Args:
      options: the user's options.
      allowed: names of the options that apply; `trust`, `strict` and `batch_size` always do.
      name: the source's name in the error.
      kind: the source's kind in the error, such as "no generator".

    Raises:
      InputError: another option is set.
    """
    neutral = {"trust", "strict", "batch_size"}
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if value is not None and field.name not in neutral and field.name not in allowed:
            line = f"{field.name}={validation.shown(value)}: {name} is {kind}; leave it out."
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
