"""Options that several commands share, and their conversion to arguments of the workflows."""

import contextlib
import dataclasses
import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any

import click

from evaluation import protocols

PROGRAMS = [name for name in protocols.names() if name != "default"]


class _Option(click.Option):
    """An option below a heading of its own in the help text."""

    def __init__(self, *names: Any, heading: str, **settings: Any) -> None:
        super().__init__(*names, **settings)
        self.heading = heading


class Command(click.Command):
    """A command whose help text lists the options by heading."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                groups.setdefault(getattr(parameter, "heading", "Options"), []).append(record)
        for heading, records in groups.items():
            with formatter.section(heading):
                formatter.write_dl(records)


def _below(heading: str) -> Callable:
    return functools.partial(click.option, cls=_Option, heading=heading)


_image_option = _below("Images")
_feature_option = _below("Features")
_generator_option = _below("Generator (overrides generator.json)")

REFERENCE = click.option(
    "--reference",
    metavar="REFERENCE",
    help="Real images: a data set's name (digits, cifar10:test), a directory, a zip or an array. "
    "Default: the data that the generator's generator.json names.",
)
METRICS = click.option(
    "--metrics",
    metavar="NAME,NAME...",
    help="Metrics to compute. Default: all default metrics that the features support.",
)
PROTOCOL = click.option(
    "--protocol",
    metavar="NAME",
    default="default",
    show_default=True,
    help="Settings of the metrics: default, or those of a published program "
    f"({', '.join(PROGRAMS)}).",
)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")

_IMAGES = [
    click.option(
        "--level",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        default=0.95,
        show_default=True,
        help="Confidence level of the intervals.",
    ),
    click.option(
        "--seed",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        help="Seed of the latents and of all random choices.",
    ),
    _image_option(
        "--n",
        type=click.IntRange(min=1),
        help="Images to draw from a generator, or to choose at random from a set. Default: the "
        "whole set, or as many drawn images as the floor has.",
    ),
    _image_option(
        "--size",
        "size_px",
        type=click.IntRange(min=1),
        metavar="PX",
        help="Crop and resize all images to PX x PX.",
    ),
    _image_option(
        "--skip-corrupt", is_flag=True, help="Leave out image files that cannot be decoded."
    ),
]
_FEATURES = [
    _feature_option(
        "--features",
        metavar="NAME",
        help="Network that computes the features: inception, pixels (large images are reduced to "
        "8 x 8), digits, random-conv, classifier:PATH, onnx:PATH, keras:NAME or MODULE:FUNCTION. "
        "Default: the classifier shipped for the reference data, or pixels.",
    ),
    _feature_option("--layer", metavar="NAME", help="Layer of the network."),
    _feature_option("--weights", metavar="PATH", help="File with the network's weights."),
    _feature_option("--resize", metavar="NAME", help="How images are resized for the network."),
    _feature_option(
        "--precision",
        type=click.Choice(["float32", "bfloat16"]),
        default="float32",
        show_default=True,
        help="Precision of the network's arithmetic.",
    ),
    _feature_option(
        "--cache/--no-cache",
        default=False,
        show_default=True,
        help="Keep features on disk, and reuse those that are there.",
    ),
]
_GENERATOR = [
    _generator_option("--latent-dim", type=click.IntRange(min=1), help="Numbers per latent."),
    _generator_option(
        "--latent",
        metavar="NAME",
        help="Distribution of the latents: normal, uniform or truncated:BOUND (truncated:0.7).",
    ),
    _generator_option(
        "--labels",
        metavar="NAME",
        help="Labels to draw: uniform, reference (same fractions as the reference), or the number "
        "of one class.",
    ),
    _generator_option(
        "--range",
        "value_range",
        metavar="LOW,HIGH",
        help="Range of the images' values: -1,1 or 0,255.",
    ),
    _generator_option(
        "--layout", type=click.Choice(["NHWC", "NCHW"]), help="Order of the images' axes."
    ),
    _generator_option("--signature", metavar="NAME", help="Function of a SavedModel to call."),
    _generator_option(
        "--batch-size",
        type=click.IntRange(min=1),
        help="Images per call of the generator, and per pass through the features' network.",
    ),
    _generator_option(
        "--step",
        type=click.IntRange(min=0),
        help="Step of the checkpoint to use, of a gantf run. Default: the best.",
    ),
    _generator_option(
        "--trust",
        is_flag=True,
        help="Load programs that can read or write files or run Python code.",
    ),
    _generator_option(
        "--strict", is_flag=True, help="Refuse to compare gray images with RGB images."
    ),
]


def images(command: Callable) -> Callable:
    """Adds the options for images, the seed and the intervals' level."""
    return _with(command, _IMAGES)


def features(command: Callable) -> Callable:
    """Adds the options for features."""
    return _with(command, _FEATURES)


def generator(command: Callable) -> Callable:
    """Adds the options for generators."""
    return _with(command, _GENERATOR)


def _with(command: Callable, options: list[Callable]) -> Callable:
    for option in reversed(options):
        command = option(command)
    return command


def keywords(values: dict[str, Any]) -> dict[str, Any]:
    """Converts a command's options to keywords of `evaluation.evaluate`.

    Args:
      values: click's values of all options that `images`, `features` and `generator` add.

    Raises:
      InputError: --range does not have the form LOW,HIGH.
    """
    from evaluation.features.options import FeatureOptions
    from evaluation.sources.image_options import ImageOptions
    from evaluation.sources.options import GeneratorOptions

    labels = values["labels"]
    values = values | {
        "labels": int(labels) if labels is not None and labels.isdigit() else labels,
        "value_range": _range(values["value_range"]),
    }

    def select(options: type) -> dict[str, Any]:
        return {field.name: values[field.name] for field in dataclasses.fields(options)}

    options = GeneratorOptions(**select(GeneratorOptions))
    return {
        "n": values["n"],
        "seed": values["seed"],
        "level": values["level"],
        "features": FeatureOptions(**select(FeatureOptions)),
        "images": ImageOptions(**select(ImageOptions)),
        "options": None if options == GeneratorOptions() else options,
        "progress": sys.stderr.isatty(),
    }


def _range(text: str | None) -> tuple[float, float] | None:
    from evaluation.errors import InputError

    if text is None:
        return None
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        low = high = float("nan")
    if not low < high:
        raise InputError(f"--range {text}: give two rising numbers, such as --range=-1,1.")
    return low, high


def listed(names: str | None) -> list[str] | None:
    """Splits a list of names at its commas; None stays None."""
    if names is None:
        return None
    return [name.strip() for name in names.split(",") if name.strip()]


@contextlib.contextmanager
def user_errors() -> Iterator[None]:
    """Reports an `InputError` as one line with exit code 2."""
    from evaluation.errors import InputError

    try:
        yield
    except InputError as error:
        raise click.UsageError(str(error)) from None
