"""Draws images from a saved generator, with its generator.json or with an inferred contract."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from evaluation.errors import InputError
from evaluation.runtime import metrics_log
from evaluation.sources import contract as contracts
from evaluation.sources import (
    contract_inference,
    keras_file,
    missing,
    onnx_file,
    saved_model,
    signature_matching,
    torch_file,
)
from evaluation.sources.contract import Contract
from evaluation.sources.contract_inference import InferredContract
from evaluation.sources.options import GeneratorOptions, truncation
from evaluation.sources.program import Program, cause
from evaluation.sources.sampler import BATCH_IMAGES, Sampler, check_form, to_uint8
from evaluation.sources.saved_model import MODEL_FILE
from evaluation.sources.signature_matching import SignatureMatch

HUB_FILE = "tfhub_module.pb"
GENERATOR, BEST = "generator", "best"  # in a training run: RUN/generator, RUN/best/generator
SUFFIXES = (*keras_file.SUFFIXES, *onnx_file.SUFFIXES, *torch_file.SUFFIXES)
DEPENDENCE = 1e-3  # of the range: an image that changes more with its batch depends on it


def find(path: str | Path, step: int | None = None) -> Path | None:
    """Returns the directory of a generator: `path`, or an export in a training run; or None.

    Args:
      path: a directory.
      step: the step of the export in a run; None for the best checkpoint's export, or else the
        last one.

    Raises:
      InputError: the run has no export of that step.
    """
    path = Path(path)
    if step is not None:
        for file in sorted(path.glob(f"**/generator*/{contracts.FILE_NAME}")):
            if contracts.read(file).step == step:
                return file.parent
        raise InputError(
            f"step={step}: {path} has no exported generator of that step; write one with "
            f"gantf export {path} --checkpoint {step}, or leave it out."
        )
    names = (MODEL_FILE, contracts.FILE_NAME, HUB_FILE)
    for directory in (path, path / BEST / GENERATOR, path / GENERATOR):
        if any((directory / name).is_file() for name in names):
            return directory
    return None


def load(path: str | Path, options: GeneratorOptions | None = None) -> Sampler:
    """Loads a generator; runs it only if its file does not declare the size of its images.

    Args:
      path: the directory of a SavedModel or of a training run, or a .keras, .h5, .onnx, .pt or
        .pt2 file.
      options: overrides of generator.json, or of inferred values. Without both, latents N(0, 1) and
        the range [-1, 1] are assumed, and listed in `Sampler.inferred`.

    Raises:
      InputError: the generator is missing, damaged, of another kind, or does more than compute; the
        line names the remedy.
    """
    options = options or GeneratorOptions()
    place = Path(path)
    if place.suffix.lower() not in SUFFIXES or place.is_dir():
        directory = find(place, options.step)
        if directory is None:
            raise InputError(
                f"{path} holds no generator; give a directory with {MODEL_FILE} and "
                f"{contracts.FILE_NAME}, as training exports to RUN_DIR/generator."
            )
        place = directory
    elif options.step is not None:
        raise InputError(f"step={options.step}: {path} is no training run; leave it out.")
    file = place / contracts.FILE_NAME if place.is_dir() else place.with_suffix(".json")
    declared = contracts.read(file) if file.is_file() else None
    if declared is not None:
        declared = contract_inference.override(declared, options, str(place))
    program = _load_program(place, options.trust)
    if declared is None:
        match = signature_matching.match_inferred(program, options, str(place))
        inference = contract_inference.complete(match, options, str(place))
    else:
        by_name = place.is_dir() or declared.latents is None
        match = (
            signature_matching.match_declared(program, declared, str(place))
            if by_name
            else signature_matching.match_inferred(program, options, str(place))
        )
        inference = InferredContract(declared, (), False)
    run_dir = next((up for up in place.parents[:2] if (up / metrics_log.FILE).is_file()), None)
    if run_dir == Path(path) and declared is not None and declared.step is not None:
        which = place.relative_to(run_dir)
        note = f"the run's checkpoint: that of step {declared.step}, in {which}"
        inference = dataclasses.replace(inference, notes=(*inference.notes, note))
    loaded = _Generator(str(path), program, match, inference, options.batch_size, run_dir)
    return _labelled_by_reference(loaded) if options.labels == "reference" else _sampler(loaded)


@dataclasses.dataclass(frozen=True)
class _Generator:
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


def _load_program(place: Path, trust: bool) -> Program:
    suffix = place.suffix.lower()
    if place.is_dir():
        if (place / HUB_FILE).is_file() and not (place / MODEL_FILE).is_file():
            raise InputError(
                f"{place} is a module in TF-Hub's first format, which TensorFlow 2 does not load; "
                "export it as a SavedModel with a program of TensorFlow 1."
            )
        if not (place / MODEL_FILE).is_file():
            raise InputError(f"{place} has no {MODEL_FILE}; export the generator again.")
        return saved_model.load(place, trust)
    if not place.is_file():
        raise missing.does_not_exist(str(place), "give a saved generator")
    if suffix in keras_file.SUFFIXES:
        return keras_file.load(place, trust)
    if suffix in onnx_file.SUFFIXES:
        return onnx_file.load(place)
    return torch_file.load(place, trust)


def _sampler(generator: _Generator) -> Sampler:
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


def _labelled_by_reference(generator: _Generator) -> Sampler:
    """Returns a sampler that can draw only after `with_labels` gets the reference's labels."""

    def with_labels(labels: np.ndarray | None, real: str) -> Sampler:
        inference = generator.inference
        contract = contract_inference.from_reference(
            inference.contract, labels, real, generator.name, inference.open_classes
        )
        inference = dataclasses.replace(inference, contract=contract)
        return _sampler(dataclasses.replace(generator, inference=inference))

    return dataclasses.replace(_sampler(generator), with_labels=with_labels)


def _inputs(generator: _Generator, seed: int) -> Iterator[dict[str, np.ndarray]]:
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


def _draw(generator: _Generator, inputs: dict[str, np.ndarray]) -> np.ndarray:
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


def _quantised(generator: _Generator, images: np.ndarray) -> np.ndarray:
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
    generator: _Generator, inputs: dict[str, np.ndarray], images: np.ndarray
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
