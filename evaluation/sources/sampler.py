"""Samplers draw images on demand, from a generator or from a Python function."""

import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.core import validation
from evaluation.errors import InputError
from evaluation.sources import options as generator_options
from evaluation.sources.images import Images, allocate
from evaluation.sources.options import GeneratorOptions
from evaluation.sources.program import cause

BATCH_IMAGES = 64  # fixed, so that the first images do not depend on how many are drawn
RANGE_TOLERANCE = 1e-3  # of half the range: values are clipped within it and refused beyond it

Progress = Callable[[str, int, int], None]  # (stage, done, total)


@dataclasses.dataclass(frozen=True)
class Sampler:
    """A source of any number of images.

    Attributes:
      batches: seed -> endless iterator over uint8 images (batch, H, W, C).
      name: the user's name for the source.
      contract: the generator's contract (generator.json, overrides and inferred values) as JSON;
        empty for a function. The contract, `sha256` and the seed decide the images.
      inferred: one phrase for each value of the contract that was inferred.
      run_dir: the training run that made the generator, if its logs are beside it.
      sha256: hash of the model's files; None for a function.
      notes: warnings from the first batch, in sentences; empty before.
      with_labels: (the reference's labels (n,) or None, its name) -> a sampler that draws labels
        from the reference's distribution; None if the sampler needs no reference.
    """

    batches: Callable[[int], Iterator[np.ndarray]]
    name: str
    contract: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    inferred: tuple[str, ...] = ()
    run_dir: Path | None = None
    sha256: str | None = None
    notes: list[str] = dataclasses.field(default_factory=list)
    with_labels: "Callable[[np.ndarray | None, str], Sampler] | None" = None

    def sample(self, n: int, seed: int = 0, progress: Progress | None = None) -> Images:
        """Draws the first n images of the stream with this seed; a smaller n gives a prefix.

        Raises:
          InputError: n < 1; images of another shape or range than declared, or not finite; or the
            sampler needs the labels of a reference and has none.
        """
        validation.check_whole("n", n, 1)
        validation.check_whole("seed", seed, 0)
        if self.with_labels is not None:
            raise InputError(
                f"labels='reference': {self.name} has no reference to take them from; give one, "
                "uniform, or a class's number."
            )
        images, done = None, 0
        for batch in self.batches(seed):
            if images is None:
                images = allocate((n, *batch.shape[1:]))
            if batch.shape[1:] != images.shape[1:]:
                raise InputError(
                    f"{self.name} returned images of {_size(batch)} after images of "
                    f"{_size(images)}; all must have one shape."
                )
            images[done : done + len(batch)] = batch[: n - done]
            done = min(done + len(batch), n)
            if progress:
                progress("drawing images", done, n)
            if done == n:
                break
        assert images is not None
        return Images(images, None, (), self.name)


def from_function(
    function: Callable[[int, np.random.Generator], Any],
    name: str = "",
    options: GeneratorOptions | None = None,
) -> Sampler:
    """Returns a sampler that draws from a Python function.

    Args:
      function: f(n, rng) -> n images, shape (n, H, W, C) or (n, H, W): uint8, or float in [-1, 1].
      name: the name in tables; the function's own name if empty.
      options: `value_range` of floats, `layout` and `batch_size` are used.

    Raises:
      InputError: the function does not take two arguments; or an option does not apply to it.
    """
    name = name or getattr(function, "__name__", type(function).__name__)
    options = options or GeneratorOptions()
    generator_options.refuse_others(
        options, ("value_range", "layout"), name, "a function, which draws for itself"
    )
    size = options.batch_size or BATCH_IMAGES
    value_range = options.value_range or (-1.0, 1.0)
    try:
        inspect.signature(function).bind(size, None)
    except TypeError:
        raise InputError(
            f"{name} does not take two arguments; a source is a function f(n, rng) that returns n "
            "images, rng a numpy.random.Generator."
        ) from None
    except ValueError:
        pass  # a C function without a signature: the call shows whether it takes two arguments

    def batches(seed: int) -> Iterator[np.ndarray]:
        rng = np.random.default_rng(seed)
        while True:
            images = _call(function, size, rng, name)
            images = images[..., None] if images.ndim == 3 else images
            if options.layout == "NCHW" and images.ndim == 4:
                images = np.moveaxis(images, 1, -1)
            check_form(images, name)
            if len(images) != size:
                raise InputError(
                    f"{name}(n={size}, rng) returned {len(images)} images; it must return n."
                )
            yield images if images.dtype == np.uint8 else to_uint8(images, value_range, name)

    return Sampler(batches, name)


def _call(function, size: int, rng: np.random.Generator, name: str) -> np.ndarray:
    try:
        return np.asarray(function(size, rng))
    except InputError:
        raise
    except Exception as error:  # the user's code may raise any type
        raise InputError(
            f"{name}(n={size}, rng) raised {type(error).__name__}: {cause(error)}; correct it."
        ) from error


def check_form(images: np.ndarray, name: str) -> None:
    """Raises InputError unless `images` is (n, H, W, C) with 1 or 3 channels, uint8 or float."""
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise InputError(
            f"{name} has shape {images.shape}; images are (n, H, W) or (n, H, W, C), C = 1 or 3."
        )
    if images.dtype != np.uint8 and not np.issubdtype(images.dtype, np.floating):
        raise InputError(
            f"{name} is {images.dtype}; images are uint8 in 0..255 or float in [-1, 1]."
        )


def to_uint8(images: np.ndarray, value_range: tuple[float, float], name: str) -> np.ndarray:
    """Returns float images in value_range as uint8, round((x - low) / (high - low) * 255).

    Args:
      images: float, any shape.
      value_range: (low, high), the declared range.
      name: the source's name in errors.

    Raises:
      InputError: values are not finite, or outside the range by more than RANGE_TOLERANCE.
    """
    low, high = value_range
    broken, outside = count_outside(images, value_range)
    if broken:
        raise InputError(
            f"{name} returned values that are not finite ({broken} of {images.size} in one "
            "batch); its weights are damaged or it diverged: take an earlier checkpoint."
        )
    if outside:
        raise InputError(
            f"{name} returned {outside} of {images.size} values outside its declared range "
            f"[{low:g}, {high:g}] ({images.min():.4g} to {images.max():.4g}); correct it: "
            "--range LOW,HIGH."
        )
    scaled = (images.astype(np.float64) - low) / (high - low) * 255
    return np.rint(scaled.clip(0, 255)).astype(np.uint8)


def count_outside(images: np.ndarray, value_range: tuple[float, float]) -> tuple[int, int]:
    """Returns the number of values that are not finite, and of finite values beyond tolerance."""
    low, high = value_range
    margin = RANGE_TOLERANCE * (high - low) / 2
    broken = ~np.isfinite(images)
    outside = ((images < low - margin) | (images > high + margin)) & ~broken
    return int(broken.sum()), int(outside.sum())


def _size(images: np.ndarray) -> str:
    return " x ".join(str(side) for side in images.shape[1:])
