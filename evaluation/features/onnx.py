"""`onnx:PATH`: an ONNX network from images to vectors, such as DINOv2 or CLIP.

It needs the package onnxruntime. NAME.json beside NAME.onnx describes the network's preprocessing;
for CLIP's ViT-B/32:

    {"images": {"size": 224, "mean": [0.4815, 0.4578, 0.4082], "std": [0.2686, 0.2613, 0.2758]}}

size        input size in pixels: the side, or [height, width]
mean, std   per channel: subtracted from values in [0, 1]; the divisor after that

Optional keys:

layout      "NCHW" (default) or "NHWC"
resize      "bicubic" (default), "bilinear", "lanczos" or "nearest", by Pillow with antialias
crop        "center" (default): resize the shorter side to short_side, crop the center; or "squash"
short_side  in pixels; size by default

Optional beside "images" are "output", the name of the output to read (--layer does the same), and
"pool": "first" or "mean" over the tokens of an output (n, tokens, d), "mean" over the positions of
an output with height and width. Gray images become RGB.
"""

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.errors import InputError
from evaluation.features import fitting, onnx_graph
from evaluation.features.extractor import Extractor, Outputs, Request, refuse

HAS_LOGITS = False
BATCH_IMAGES = 32
KEYS = ("size", "mean", "std", "layout", "resize", "crop", "short_side")
POOLS = ("first", "mean")
EXAMPLE = '{"images": {"size": 224, "mean": [R, G, B], "std": [R, G, B]}}'


@dataclasses.dataclass(frozen=True)
class Preparation:
    """The preprocessing and pooling that NAME.json describes.

    Attributes:
      fit: how images are resized.
      mean, std: mean and standard deviation of each channel, for values in [0, 1].
      layout: "NCHW" or "NHWC".
      output: name of the output; None if there is only one.
      pool: how tokens or positions are pooled to (n, d); None for no pooling.
    """

    fit: fitting.Fit
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    layout: str
    output: str | None
    pool: str | None


def open_extractor(request: Request) -> Extractor:
    """Opens the network with onnxruntime; it has no logits.

    Raises:
      InputError: the package, the file or its NAME.json is missing or damaged, or the network has
        no such output. The extractor raises it if the network takes other images, or if its output
        is not one vector per image.
    """
    refuse(request, "weights", "precision")
    path = Path(request.argument)
    if not path.is_file():
        raise InputError(f"{path} does not exist; give the path of an ONNX file.")
    preparation = read_preparation(path)
    if request.resize is not None:
        fitting.check_method(request.resize)
        fit = dataclasses.replace(preparation.fit, method=request.resize)
        preparation = dataclasses.replace(preparation, fit=fit)
    session = onnx_graph.session(path)
    output = _choose_output(session, request.layer or preparation.output, path)
    infer = onnx_graph.runner(session, [output], path)

    def prepare(images: np.ndarray) -> np.ndarray:
        resized = fitting.as_rgb(fitting.fitted(images, preparation.fit))
        return _normalise(resized, preparation)

    def run(images: np.ndarray) -> Outputs:
        return _pool(infer(images)[0], preparation.pool, output, path), None

    settings = dataclasses.asdict(preparation) | {"output": output}
    settings["fit"]["size"] = list(preparation.fit.size)
    settings |= {"mean": list(preparation.mean), "std": list(preparation.std)}
    sha256 = onnx_graph.sha256(path)
    packages = ("onnxruntime", "pillow")
    return Extractor(request.argument, sha256, settings, run, (), prepare, packages)


def read_preparation(path: Path) -> Preparation:
    """Reads the JSON file beside a network.

    Raises:
      InputError: the file is missing, damaged or incomplete; the message shows an example.
    """
    beside = path.with_suffix(".json")
    try:
        content = json.loads(beside.read_text(encoding="utf-8"))
        form = content["images"]
        size = form["size"]
        height, width = (size, size) if isinstance(size, int) else map(int, size)
        mean, std = (tuple(map(float, form[key])) for key in ("mean", "std"))
        if len(mean) != 3 or len(std) != 3 or min(std) <= 0 or not math.isfinite(sum(mean + std)):
            raise ValueError("mean and std must be three numbers each, std above 0")
        if min(height, width) < 1:
            raise ValueError("size must be 1 or more")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{beside} is missing or damaged ({type(error).__name__}: {error}); it must describe "
            f"the network's images, for example {EXAMPLE} (mean and std of values in [0, 1])."
        ) from None
    for key in form:
        if key not in KEYS:
            raise InputError(f"{beside}: images has {key!r}; it may hold {', '.join(KEYS)}.")
    for key, choices in (
        ("layout", ("NCHW", "NHWC")),
        ("resize", fitting.METHODS),
        ("crop", fitting.CROPS),
    ):
        if form.get(key, choices[0]) not in choices:
            raise InputError(f"{beside}: {key} {form[key]!r} must be one of {', '.join(choices)}.")
    pool, short = content.get("pool"), form.get("short_side")
    if pool is not None and pool not in POOLS:
        raise InputError(f"{beside}: pool {pool!r} must be one of {', '.join(POOLS)}.")
    least = max(height, width)
    if short is not None and (not isinstance(short, int) or short < least):
        raise InputError(f"{beside}: short_side {short!r} must be a whole number, {least} or more.")
    fit = fitting.Fit(
        (height, width), form.get("resize", "bicubic"), form.get("crop", "center"), short
    )
    layout, output = form.get("layout", "NCHW"), content.get("output")
    return Preparation(fit, mean, std, layout, output, pool)


def classifier(
    path: Path, request: Request, value_range: tuple[float, float], layout: str
) -> tuple[Callable[[np.ndarray], Outputs], str]:
    """Opens a classifier; see `evaluation/features/classifier.py`.

    Returns:
      A function uint8 (b, H, W, C) -> (features, logits); the layer's name.
    """
    session, layer, logits = onnx_graph.split(path, request.layer)
    infer = onnx_graph.runner(session, [layer, logits], path)
    low, high = value_range
    scale = np.float32((high - low) / 255)

    def run(images: np.ndarray) -> Outputs:
        values = images.astype(np.float32) * scale + np.float32(low)
        values = values.transpose(0, 3, 1, 2) if layout == "NCHW" else values
        features, classes = infer(np.ascontiguousarray(values))
        if features.ndim > 2:  # channels are on axis 1
            features = features.reshape(len(features), features.shape[1], -1).mean(axis=2)
        return np.ascontiguousarray(features, np.float32), classes

    return run, layer


def _choose_output(session: Any, output: str | None, path: Path) -> str:
    """Returns the name of the output to read."""
    shapes = {info.name: tuple(info.shape) for info in session.get_outputs()}
    listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    if output is None and len(shapes) > 1:
        raise InputError(
            f'{path} has the outputs {listed}; name one with --layer, or as "output" in its .json.'
        )
    if output is not None and output not in shapes:
        raise InputError(f"{path} has no output {output!r}; it has {listed}.")
    return output or next(iter(shapes))


def _normalise(images: np.ndarray, preparation: Preparation) -> np.ndarray:
    """Converts uint8 images (b, H, W, 3) to the network's float32 values and layout."""
    mean, std = (np.asarray(row, np.float32) for row in (preparation.mean, preparation.std))
    values = (images.astype(np.float32) / np.float32(255) - mean) / std
    if preparation.layout == "NCHW":
        values = values.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(values)


def _pool(values: np.ndarray, pool: str | None, output: str, path: Path) -> np.ndarray:
    """Pools an output to shape (b, d)."""
    if values.ndim == 2:
        return values
    if pool == "first" and values.ndim == 3:
        return values[:, 0]
    if pool == "mean" and values.ndim == 3:
        return values.mean(axis=1)
    if pool == "mean" and values.ndim == 4:
        return values.mean(axis=(2, 3))
    raise InputError(
        f'{path}: output {output!r} has shape {values.shape}; set "pool" in its .json to get '
        '(n, d): "first" or "mean" over tokens (n, tokens, d), "mean" over positions '
        "(n, d, height, width)."
    )
