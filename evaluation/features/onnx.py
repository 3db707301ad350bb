"""`onnx:PATH`: a network that turns images into vectors, as an ONNX file: DINOv2, CLIP and others.

It needs the package onnxruntime. Beside NAME.onnx lies a NAME.json that says what the network's
authors do to an image first; of CLIP's ViT-B/32:

    {"images": {"size": 224, "mean": [0.4815, 0.4578, 0.4082], "std": [0.2686, 0.2613, 0.2758]}}

size        the side, or [height, width], in pixels, that the network takes
mean, std   per channel: what is subtracted from values in [0, 1], and what they are divided by
and, where they differ from the usual here:
layout      "NCHW" (the usual one) or "NHWC"
resize      "bicubic", "bilinear", "lanczos" or "nearest", by Pillow with antialias
crop        "center": the shorter side becomes short_side, the middle is cut out; or "squash"
short_side  pixels; size where it is left out

Beside "images" there may be "output", the name of the output to take (--layer does the same), and
"pool": "first" or "mean" over the tokens of an output (n, tokens, d), "mean" over the places of one
with height and width. Gray images are taken as RGB.
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
NEEDED = '{"images": {"size": 224, "mean": [R, G, B], "std": [R, G, B]}}'


@dataclasses.dataclass(frozen=True)
class Preparation:
    """What NAME.json says.

    Attributes:
      fit: how images become the network's size.
      mean, std: of each channel, of values in [0, 1].
      layout: "NCHW" or "NHWC".
      output: which output; None where there is but one.
      pool: how an output with tokens or places becomes (n, d); None where it is that already.
    """

    fit: fitting.Fit
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    layout: str
    output: str | None
    pool: str | None


def open_extractor(request: Request) -> Extractor:
    """The network by onnxruntime; no logits.

    Raises:
      InputError: the package, the file or its NAME.json is missing or damaged, the network takes
        other images, or its output is no vector per image.
    """
    refuse(request, "weights", "precision")
    path = Path(request.argument)
    if not path.is_file():
        raise InputError(f"{path} does not exist; give the path of an ONNX file.")
    told = read_preparation(path)
    if request.resize is not None:
        fitting.check_method(request.resize)
        told = dataclasses.replace(told, fit=dataclasses.replace(told.fit, method=request.resize))
    session = onnx_graph.session(path)
    output = _chosen(session, request.layer or told.output, path)
    infer = onnx_graph.runner(session, [output], path)

    def prepare(images: np.ndarray) -> np.ndarray:
        return _normalised(fitting.as_rgb(fitting.fitted(images, told.fit)), told)

    def run(images: np.ndarray) -> Outputs:
        return _pooled(infer(images)[0], told.pool, output, path), None

    settings = dataclasses.asdict(told) | {"output": output}
    settings["fit"]["size"] = list(told.fit.size)
    settings |= {"mean": list(told.mean), "std": list(told.std)}
    sha256 = onnx_graph.sha256(path)
    packages = ("onnxruntime", "pillow")
    return Extractor(request.argument, sha256, settings, run, (), prepare, packages)


def read_preparation(path: Path) -> Preparation:
    """Reads the JSON file beside a network.

    Raises:
      InputError: missing, damaged or incomplete; the line says what it must hold.
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
            f"{beside} is missing or damaged ({type(error).__name__}: {error}); it must say how "
            f"the network's images are made, such as {NEEDED} (mean and std of values in [0, 1])."
        ) from None
    for key in form:
        if key not in KEYS:
            raise InputError(f"{beside}: images has {key!r}; it may hold {', '.join(KEYS)}.")
    for key, known in (
        ("layout", ("NCHW", "NHWC")),
        ("resize", fitting.METHODS),
        ("crop", fitting.CROPS),
    ):
        if form.get(key, known[0]) not in known:
            raise InputError(f"{beside}: {key} {form[key]!r} must be one of {', '.join(known)}.")
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
    """A classifier's hidden layer and logits; see `evaluation/features/classifier.py`.

    Returns:
      uint8 (b, H, W, C) -> (features, logits); the layer's name.
    """
    session, layer, logits = onnx_graph.split(path, request.layer)
    infer = onnx_graph.runner(session, [layer, logits], path)
    low, high = value_range
    scale = np.float32((high - low) / 255)

    def run(images: np.ndarray) -> Outputs:
        values = images.astype(np.float32) * scale + np.float32(low)
        values = values.transpose(0, 3, 1, 2) if layout == "NCHW" else values
        features, classes = infer(np.ascontiguousarray(values))
        if features.ndim > 2:  # the channels are where the layout has them
            features = features.reshape(len(features), features.shape[1], -1).mean(axis=2)
        return np.ascontiguousarray(features, np.float32), classes

    return run, layer


def _chosen(session: Any, output: str | None, path: Path) -> str:
    """The name of the output to take."""
    shapes = {found.name: tuple(found.shape) for found in session.get_outputs()}
    listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    if output is None and len(shapes) > 1:
        raise InputError(
            f'{path} gives {listed}; name one with --layer, or as "output" in its .json.'
        )
    if output is not None and output not in shapes:
        raise InputError(f"{path} has no output {output!r}; it gives {listed}.")
    return output or next(iter(shapes))


def _normalised(images: np.ndarray, told: Preparation) -> np.ndarray:
    """Images uint8 (b, H, W, 3) as the network's float32 numbers, in its layout."""
    mean, std = (np.asarray(of, np.float32) for of in (told.mean, told.std))
    values = (images.astype(np.float32) / np.float32(255) - mean) / std
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2) if told.layout == "NCHW" else values)


def _pooled(found: np.ndarray, pool: str | None, output: str, path: Path) -> np.ndarray:
    """An output as (b, d)."""
    if found.ndim == 2:
        return found
    if pool == "first" and found.ndim == 3:
        return found[:, 0]
    if pool == "mean" and found.ndim == 3:
        return found.mean(axis=1)
    if pool == "mean" and found.ndim == 4:
        return found.mean(axis=(2, 3))
    raise InputError(
        f'{path}: output {output!r} has shape {found.shape}; "pool" in its .json must say how that '
        'becomes (n, d): "first" or "mean" over tokens (n, tokens, d), "mean" over places '
        "(n, d, height, width)."
    )
