"""Draws images from a loaded generator."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from evaluation.errors import InputError
from evaluation.sources import contract as contracts
from evaluation.sources import contract_inference
from evaluation.sources.contract import Contract
from evaluation.sources.contract_inference import InferredContract
from evaluation.sources.options import truncation
from evaluation.sources.program import Program, cause
from evaluation.sources.sampler import BATCH_IMAGES, Sampler, check_form, to_uint8
from evaluation.sources.signature_matching import SignatureMatch

DEPENDENCE = 1e-3  # of the range: an image that changes more with its batch depends on it


@dataclasses.dataclass(frozen=True)
class Generator:
    """A loaded model with everything that drawing needs."""

    name: str
    program: Program
    match: SignatureMatch
    inference: InferredContract
    batch_size: int | None
    run_dir: Path | None

    @property
    def contract(self) -> Contract:
        return self.inference.contract

    @property
    def batch_images(self) -> int:
        return self.match.batch_images or self.batch_size or BATCH_IMAGES


def sampler(generator: Generator) -> Sampler:
    """Returns a sampler; its first batch also shows whether images depend on their batch."""
    notes: list[str] = []
    checked: list[bool] = []

    def batches(seed: int) -> Iterator[np.ndarray]:
        for inputs in _inputs(generator, seed):
            images = _draw(generator, inputs)
            if not checked:
                checked.append(True)
                notes.extend(_dependence(generator, inputs, images))
            yield _quantised(generator, images)

    return Sampler(
        batches,
        generator.name,
        generator.contract.as_json() | {"batch_images": generator.batch_images},
        generator.inference.notes,
        generator.run_dir,
        generator.program.sha256,
        notes,
    )


def labelled_by_reference(generator: Generator) -> Sampler:
    """Returns a sampler that can draw only after `with_labels` gets the reference's labels."""

    def with_labels(labels: np.ndarray | None, real: str) -> Sampler:
        inference = generator.inference
        contract = contract_inference.from_reference(
            inference.contract, labels, real, generator.name, inference.open_classes
        )
        inference = dataclasses.replace(inference, contract=contract)
        return sampler(dataclasses.replace(generator, inference=inference))

    return dataclasses.replace(sampler(generator), with_labels=with_labels)


def _inputs(generator: Generator, seed: int) -> Iterator[dict[str, np.ndarray]]:
    """Yields endless batches of inputs; latents and labels come from two random streams."""
    contract, match, count = generator.contract, generator.match, generator.batch_images
    latents_rng, labels_rng = (np.random.default_rng([seed, stream]) for stream in (0, 1))
    assert contract.latents is not None
    shape = (count, contract.latents.dim)
    while True:
        latents = draw_latents(contract.latents.distribution, shape, latents_rng)
        inputs = match.fixed | {match.latents.name: match.shaped(latents)}
        if contract.labels and match.labels:
            labels = _choose(contract.labels.distribution, count, labels_rng)
            one_hot = match.one_hot_classes is not None
            inputs[match.labels.name] = (
                np.eye(contract.labels.classes, dtype=np.float32)[labels] if one_hot else labels
            )
        if contract.tokens and match.tokens:
            chosen = _choose(contract.tokens.distribution, count, labels_rng)
            inputs[match.tokens.name] = np.asarray(contract.tokens.rows)[chosen]
        yield inputs


def _choose(distribution: list[float], count: int, rng: np.random.Generator) -> np.ndarray:
    """Returns `count` numbers of classes or of texts, drawn from their distribution."""
    probabilities = np.asarray(distribution) / sum(distribution)
    return rng.choice(len(probabilities), count, p=probabilities)


def draw_latents(distribution: str, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Draws latents, float32: N(0, 1), U(-1, 1), or N(0, 1) truncated to [-bound, bound].

    Each number takes one draw, so the batch size does not change the latents.
    """
    if distribution == "uniform":
        return rng.uniform(-1, 1, shape).astype(np.float32)
    bound = truncation(distribution)
    if bound is None:
        return rng.standard_normal(shape).astype(np.float32)
    from scipy import special

    inside = special.ndtr(bound) - special.ndtr(-bound)
    return special.ndtri(special.ndtr(-bound) + inside * rng.random(shape)).astype(np.float32)


def _draw(generator: Generator, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """Returns one batch of the model's output, channels last, checked against the contract."""
    count, match = generator.batch_images, generator.match
    try:
        images = np.asarray(match.signature.run(inputs)[match.images.name])
    except Exception as error:  # each framework raises its own types
        raise InputError(
            f"{generator.name} failed on {count} latents ({cause(error)}); export it so that it "
            "takes any number of latents."
        ) from None
    form = generator.contract.images
    if form.layout == "NCHW" and images.ndim == 4:
        images = np.moveaxis(images, 1, -1)
    check_form(images, generator.name)
    if images.shape[1:] != (form.height, form.width, form.channels):
        raise InputError(
            f"{generator.name} returned images of shape {images.shape[1:]}, its "
            f"{contracts.FILE_NAME} says {(form.height, form.width, form.channels)}; correct the "
            "file."
        )
    if len(images) != count:
        raise InputError(
            f"{generator.name} returned {len(images)} images for {count} latents; it must return "
            "one image for each."
        )
    return images


def _quantised(generator: Generator, images: np.ndarray) -> np.ndarray:
    if images.dtype == np.uint8:
        return images
    quantised = to_uint8(images, generator.contract.images.range, generator.name)
    if generator.inference.range_is_assumed and images.min() >= 0:
        raise InputError(
            f"{generator.name} returned no negative value, so its range is hardly [-1, 1]; give "
            f"its true --range, or write {contracts.FILE_NAME} with it (see the README)."
        )
    return quantised


def _dependence(
    generator: Generator, inputs: dict[str, np.ndarray], images: np.ndarray
) -> list[str]:
    """Returns a warning if images change from call to call, or with the rest of their batch."""
    count = len(images)
    low, high = generator.contract.images.range
    tolerance = DEPENDENCE * (high - low)
    if images.dtype == np.uint8:
        tolerance = 1.0
    change = _largest(_draw(generator, inputs), images)
    if change > tolerance:
        return [
            f"{generator.name} gives other images for the same latents (by up to {change:.3g}): "
            "it draws noise of its own, so that the seed does not decide its images."
        ]
    if count == 1:
        return []
    first = np.arange(count) // 2  # the first half, each image twice
    fixed = generator.match.fixed
    other = _draw(generator, fixed | {k: v[first] for k, v in inputs.items() if k not in fixed})
    change = _largest(other, images[first])
    if change <= tolerance:
        return []
    return [
        f"{generator.name} gives an image that depends on the others drawn with it (by up to "
        f"{change:.3g}), as batch norm in training mode does; export it in inference mode."
    ]


def _largest(one: np.ndarray, other: np.ndarray) -> float:
    difference = np.abs(one.astype(np.float64) - other.astype(np.float64))
    return float(np.nanmax(difference, initial=0.0))
