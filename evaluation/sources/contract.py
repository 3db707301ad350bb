"""generator.json: what a saved generator takes and gives.

It lies beside a saved_model.pb; a generator that is one file, as G.onnx, has a G.json beside it.
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


class _Part(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="ignore", frozen=True)


class Latents(_Part):
    """The generator's input: dim numbers, each N(0, 1), U(-1, 1) or a normal cut by redrawing."""

    dim: pydantic.PositiveInt
    law: str

    @pydantic.field_validator("law")
    @classmethod
    def _known(cls, law: str) -> str:
        truncation(law)
        return law


class Labels(_Part):
    """The classes of a conditional generator and the shares in which to draw them."""

    classes: pydantic.PositiveInt
    law: list[pydantic.NonNegativeFloat]

    @pydantic.model_validator(mode="after")
    def _shares(self) -> "Labels":
        if len(self.law) != self.classes or abs(sum(self.law) - 1) > 1e-6:
            raise ValueError("law must hold one share per class, together 1")
        return self


class Tokens(_Part):
    """The texts of a generator that reads some, as word numbers, and the shares to draw them in."""

    rows: list[list[int]]
    law: list[pydantic.NonNegativeFloat]

    @pydantic.model_validator(mode="after")
    def _shares(self) -> "Tokens":
        if len(self.law) != len(self.rows) or abs(sum(self.law) - 1) > 1e-6:
            raise ValueError("law must hold one share per row, together 1")
        if len({len(row) for row in self.rows}) != 1:
            raise ValueError("rows must all have as many words")
        return self


class ImageForm(_Part):
    """The generator's output: (n, height, width, channels) in `range`, or (n, channels, ...).

    Of what makes images of any size, height and width are None.
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
    """What the generator was trained on: the arguments of `load_images`."""

    name: str
    size_px: pydantic.PositiveInt | None = None
    split: str | None = None
    skip_corrupt: bool = False


class Contract(_Part):
    """The whole of generator.json."""

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


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON number")


def read(path: Path) -> Contract:
    """Reads and checks a generator.json.

    Raises:
      InputError: damaged, incomplete, or of a newer format.
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
