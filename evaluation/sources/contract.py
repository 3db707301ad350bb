"""The contract of a saved generator: generator.json, which declares its inputs and outputs.

The file lies beside saved_model.pb. A generator in one file, such as G.onnx, has G.json beside it.
"""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic

from evaluation.errors import InputError
from evaluation.sources.options import truncation

FILE_NAME = "generator.json"
FORMAT = 1
REMEDY = "export the generator again, or write the file by hand (format 1, see the README)"

_STORED_NAME = pydantic.Field(alias="law")  # the key of a distribution in generator.json


class _Part(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="ignore", frozen=True, populate_by_name=True)


class Latents(_Part):
    """The latents: dim numbers, each from N(0, 1), U(-1, 1) or a truncated normal."""

    dim: pydantic.PositiveInt
    distribution: Annotated[str, _STORED_NAME]

    @pydantic.field_validator("distribution")
    @classmethod
    def _exists(cls, distribution: str) -> str:
        truncation(distribution)
        return distribution


class Labels(_Part):
    """The number of classes of a conditional generator, and the probability of each class."""

    classes: pydantic.PositiveInt
    distribution: Annotated[list[pydantic.NonNegativeFloat], _STORED_NAME]

    @pydantic.model_validator(mode="after")
    def _is_distribution(self) -> "Labels":
        if len(self.distribution) != self.classes or abs(sum(self.distribution) - 1) > 1e-6:
            raise ValueError("law must hold one fraction per class, with the sum 1")
        return self


class Tokens(_Part):
    """The texts of a text-to-image generator, as word numbers, and the probability of each text."""

    rows: list[list[int]]
    distribution: Annotated[list[pydantic.NonNegativeFloat], _STORED_NAME]

    @pydantic.model_validator(mode="after")
    def _is_distribution(self) -> "Tokens":
        if len(self.distribution) != len(self.rows) or abs(sum(self.distribution) - 1) > 1e-6:
            raise ValueError("law must hold one fraction per row, with the sum 1")
        if len({len(row) for row in self.rows}) != 1:
            raise ValueError("all rows must have the same number of words")
        return self


class ImageForm(_Part):
    """The generator's output: (n, height, width, channels) in `range`, or (n, channels, ...).

    height and width are None for a generator of images of any size.
    """

    height: pydantic.PositiveInt | None
    width: pydantic.PositiveInt | None
    channels: Literal[1, 3]
    range: tuple[pydantic.FiniteFloat, pydantic.FiniteFloat]
    layout: Literal["NHWC", "NCHW"] = "NHWC"

    @pydantic.model_validator(mode="after")
    def _rising(self) -> "ImageForm":
        if not self.range[0] < self.range[1]:
            raise ValueError("range must be [low, high] with low < high")
        return self


class Data(_Part):
    """The training data of the generator: the arguments of `load_images`."""

    name: str
    size_px: pydantic.PositiveInt | None = None
    split: str | None = None
    skip_corrupt: bool = False


class Contract(_Part):
    """The content of generator.json."""

    format: Annotated[int, pydantic.Field(ge=1)]
    model: str = "unknown"
    signature: str = "serving_default"
    latents: Latents | None
    labels: Labels | None = None
    tokens: Tokens | None = None
    images: ImageForm
    data: Data | None = None
    step: int | None = None
    seed: int | None = None
    averaged: bool | None = None
    versions: dict[str, str] = {}

    def as_json(self) -> dict[str, Any]:
        """Returns the content of generator.json."""
        return self.model_dump(mode="json", by_alias=True)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON number")


def read(path: Path) -> Contract:
    """Reads and checks a generator.json.

    Raises:
      InputError: the file is damaged, incomplete, or of a newer format.
    """
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is damaged ({error}); {REMEDY}.") from None
    try:
        contract = Contract.model_validate(content)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise InputError(f"{path} is damaged ({field}: {first['msg']}); {REMEDY}.") from None
    if contract.format > FORMAT:
        raise InputError(
            f"{path} has format {contract.format}, this version reads {FORMAT}; update evaluation."
        )
    return contract
