"""Options that several commands share, and what they become."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import click

from evaluation import protocols

PROGRAMS = [name for name in protocols.names() if name != "default"]
GENERATOR = ("latent_dim", "latent", "labels", "layout", "signature", "step", "trust", "strict")

REFERENCE = click.option(
    "--reference",
    metavar="REFERENCE",
    help="Real images: a data set's name (digits, cifar10:test), a directory, a zip, an array. "
    "Default: the data named in the generator's generator.json.",
)
METRICS = click.option(
    "--metrics", metavar="NAME,NAME...", help="Default: all that the features can serve."
)
PROTOCOL = click.option(
    "--protocol",
    metavar="NAME",
    default="default",
    show_default=True,
    help=f"The metrics' settings: default, or a published program's ({', '.join(PROGRAMS)}).",
)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")

_IMAGES = [
    click.option(
        "--n",
        type=click.IntRange(min=1),
        help="Images to draw, or to choose at random of a set. Default: all of a set; of a "
        "generator as many as the floor holds.",
    ),
    click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True),
    click.option(
        "--level",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        default=0.95,
        show_default=True,
        help="Confidence level of the intervals.",
    ),
    click.option(
        "--size",
        "size_px",
        type=click.IntRange(min=1),
        metavar="PX",
        help="Crop and resize all images to PX x PX.",
    ),
    click.option(
        "--skip-corrupt", is_flag=True, help="Leave out image files that cannot be decoded."
    ),
]
_FEATURES = [
    click.option(
        "--features",
        metavar="NAME",
        help="inception, pixels (larger images reduced to 8 x 8), digits, random-conv, "
        "classifier:PATH, onnx:PATH, keras:NAME or MODULE:FUNCTION. Default: the classifier "
        "shipped for the reference data, or else pixels.",
    ),
    click.option("--layer", metavar="NAME", help="Which of the network's layers."),
    click.option("--weights", metavar="PATH", help="The network's weights."),
    click.option("--resize", metavar="NAME", help="How images become the network's size."),
    click.option(
        "--precision",
        type=click.Choice(["float32", "bfloat16"]),
        default="float32",
        show_default=True,
        help="Of the network's arithmetic.",
    ),
    click.option(
        "--cache/--no-cache",
        default=False,
        show_default=True,
        help="Keep features on disk, and take those that are there.",
    ),
]
_GENERATOR = [
    click.option("--latent-dim", type=click.IntRange(min=1), help="Numbers per latent."),
    click.option("--latent", metavar="LAW", help="normal, uniform or truncated:0.7."),
    click.option("--labels", metavar="LAW", help="uniform, reference, or the number of one class."),
    click.option(
        "--range", "value_range", metavar="LOW,HIGH", help="Of the images' values: -1,1 or 0,255."
    ),
    click.option("--layout", type=click.Choice(["NHWC", "NCHW"]), help="Where the channels are."),
    click.option("--signature", metavar="NAME", help="Which of a SavedModel's functions."),
    click.option(
        "--batch-size",
        type=click.IntRange(min=1),
        help="Images drawn at once, and passed through the features' network at once.",
    ),
    click.option("--step", type=click.IntRange(min=0), help="Which checkpoint of a gantf run."),
    click.option("--trust", is_flag=True, help="Run programs that can read or write files."),
    click.option("--strict", is_flag=True, help="Refuse gray images against RGB ones."),
]


def images(command: Callable) -> Callable:
    """Adds the options of what images are taken, and of the intervals' level."""
    return _with(command, _IMAGES)


def features(command: Callable) -> Callable:
    """Adds the options of how images become features."""
    return _with(command, _FEATURES)


def generator(command: Callable) -> Callable:
    """Adds the options of what a generator takes and gives."""
    return _with(command, _GENERATOR)


def _with(command: Callable, options: list[Callable]) -> Callable:
    for option in reversed(options):
        command = option(command)
    return command


def keywords(values: dict[str, Any]) -> dict[str, Any]:
    """The keywords of `evaluation.evaluate` from the options of a command.

    Args:
      values: what click gives, with all of `images`, `features` and `generator` among it; changed:
        those are taken out.

    Raises:
      InputError: a --range that is none.
    """
    from evaluation.sources.options import GeneratorOptions

    batch_size = values.pop("batch_size")
    told = {name: values.pop(name) for name in GENERATOR}
    if told["labels"] is not None and told["labels"].isdigit():
        told["labels"] = int(told["labels"])
    told["value_range"] = _range(values.pop("value_range"))
    told["batch_size"] = batch_size
    options = GeneratorOptions(**told)
    names = ("n", "seed", "level", "size_px", "skip_corrupt", "features", "layer", "weights")
    given = {name: values.pop(name) for name in (*names, "resize", "precision", "cache")}
    given["batch_size"] = batch_size
    given["options"] = None if options == GeneratorOptions() else options
    given["progress"] = sys.stderr.isatty()
    return given


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
    """Names that commas part; None where nothing was given."""
    if names is None:
        return None
    return [name.strip() for name in names.split(",") if name.strip()]


@contextlib.contextmanager
def user_errors() -> Iterator[None]:
    """Turns a user's mistake into one line and exit code 2."""
    from evaluation.errors import InputError

    try:
        yield
    except InputError as error:
        raise click.UsageError(str(error)) from None
