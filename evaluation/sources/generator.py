"""A trained generator: a saved model, with a generator.json or with what can be told without."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from evaluation.errors import InputError
from evaluation.sources import contract as contracts
from evaluation.sources import (
    contract_inference,
    keras_file,
    onnx_file,
    saved_model,
    signature_matching,
    torch_file,
)
from evaluation.sources.contract import Contract
from evaluation.sources.options import GeneratorOptions, truncation
from evaluation.sources.program import Program, cause
from evaluation.sources.sampler import BATCH_IMAGES, Sampler, check_form, to_uint8
from evaluation.sources.saved_model import MODEL_FILE
from evaluation.sources.signature_matching import Wiring

HUB_FILE = "tfhub_module.pb"
GENERATOR, BEST = "generator", "best"  # of a training run: RUN/generator, RUN/best/generator
LOG_FILE = "metrics.jsonl"  # in a training run's directory
SUFFIXES = (*keras_file.SUFFIXES, *onnx_file.SUFFIXES, *torch_file.SUFFIXES)
DEPENDENCE = 1e-3  # of the range: an image that moves more with its batch depends on it


def find(path: str | Path, step: int | None = None) -> Path | None:
    """The generator's directory: `path`, or of a training run one of its exports; or None.

    Args:
      path: a directory.
      step: of a run, the export of that step; None for its best checkpoint's, or else its last's.

    Raises:
      InputError: a step is asked for, and there is no export of it.
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
    """Loads a generator; it is run only where its file does not tell the size of its images.

    Args:
      path: the directory of a SavedModel or of a training run, or a .keras, .h5, .onnx, .pt or
        .pt2 file.
      options: what is said instead of its generator.json, or of what would be inferred. Without
        either, latents N(0, 1) and the range [-1, 1] are assumed, and said so in `inferred`.

    Raises:
      InputError: missing, damaged, foreign, or more than arithmetic; the line says what is needed.
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
    stated = contracts.read(file) if file.is_file() else None
    if stated is not None:
        stated = contract_inference.override(stated, options, str(place))
    program = _load_program(place, options.trust)
    if stated is None:
        wired = signature_matching.inferred(program, options, str(place))
        inferred = contract_inference.complete(wired, options, str(place))
    else:
        by_name = place.is_dir() or stated.latents is None
        wired = (
            signature_matching.declared(program, stated, str(place))
            if by_name
            else signature_matching.inferred(program, options, str(place))
        )
        inferred = contract_inference.Inferred(stated, (), False)
    run_dir = next((up for up in place.parents[:2] if (up / LOG_FILE).is_file()), None)
    if run_dir == Path(path) and stated is not None and stated.step is not None:
        which = place.relative_to(run_dir)
        said = f"the run's checkpoint: that of step {stated.step}, in {which}"
        inferred = dataclasses.replace(inferred, inferred=(*inferred.inferred, said))
    whole = _Generator(str(path), program, wired, inferred, options.batch_size, run_dir)
    return _by_reference(whole) if options.labels == "reference" else _sampler(whole)


@dataclasses.dataclass(frozen=True)
class _Generator:
    """All that drawing needs."""

    name: str
    program: Program
    wired: Wiring
    inferred: contract_inference.Inferred
    batch_size: int | None
    run_dir: Path | None

    @property
    def contract(self) -> Contract:
        return self.inferred.contract

    @property
    def batch_images(self) -> int:
        return self.wired.batch_images or self.batch_size or BATCH_IMAGES


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
        raise InputError(f"{place} does not exist; give a saved generator.")
    if suffix in keras_file.SUFFIXES:
        return keras_file.load(place, trust)
    if suffix in onnx_file.SUFFIXES:
        return onnx_file.load(place)
    return torch_file.load(place, trust)


def _sampler(whole: _Generator) -> Sampler:
    notes: list[str] = []
    checked: list[bool] = []

    def batches(seed: int) -> Iterator[np.ndarray]:
        for inputs in _inputs(whole, seed):
            images = _draw(whole, inputs)
            if not checked:
                checked.append(True)
                notes.extend(_dependence(whole, inputs, images))
            yield _quantised(whole, images)

    described = whole.contract.model_dump(mode="json") | {"batch_images": whole.batch_images}
    return Sampler(
        batches,
        whole.name,
        described,
        whole.inferred.inferred,
        whole.run_dir,
        whole.program.sha256,
        notes,
    )


def _by_reference(whole: _Generator) -> Sampler:
    """A sampler that waits for the labels of a reference."""

    def with_labels(labels: np.ndarray | None, real: str) -> Sampler:
        contract = contract_inference.of_reference(
            whole.contract, labels, real, whole.name, whole.inferred.open_classes
        )
        inferred = dataclasses.replace(whole.inferred, contract=contract)
        return _sampler(dataclasses.replace(whole, inferred=inferred))

    return dataclasses.replace(_sampler(whole), with_labels=with_labels)


def _inputs(whole: _Generator, seed: int) -> Iterator[dict[str, np.ndarray]]:
    """Endless batches of inputs; latents and labels come from streams of their own."""
    contract, wired, count = whole.contract, whole.wired, whole.batch_images
    latents_rng, labels_rng = (np.random.default_rng([seed, stream]) for stream in (0, 1))
    assert contract.latents is not None
    shape = (count, contract.latents.dim)
    while True:
        drawn = draw_latents(contract.latents.law, shape, latents_rng)
        inputs = wired.fixed | {wired.latents.name: wired.shaped(drawn)}
        if contract.labels and wired.labels:
            law = np.asarray(contract.labels.law) / sum(contract.labels.law)
            labels = labels_rng.choice(len(law), count, p=law)
            one_hot = wired.one_hot_classes is not None
            inputs[wired.labels.name] = (
                np.eye(len(law), dtype=np.float32)[labels] if one_hot else labels
            )
        if contract.tokens and wired.tokens:
            law = np.asarray(contract.tokens.law) / sum(contract.tokens.law)
            chosen = labels_rng.choice(len(law), count, p=law)
            inputs[wired.tokens.name] = np.asarray(contract.tokens.rows)[chosen]
        yield inputs


def draw_latents(law: str, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Latents, float32: N(0, 1), U(-1, 1), or N(0, 1) given that it lies within a bound.

    Each number takes one draw, so that how many are drawn at once does not change them.
    """
    if law == "uniform":
        return rng.uniform(-1, 1, shape).astype(np.float32)
    bound = truncation(law)
    if bound is None:
        return rng.standard_normal(shape).astype(np.float32)
    from scipy import special

    inside = special.ndtr(bound) - special.ndtr(-bound)
    return special.ndtri(special.ndtr(-bound) + inside * rng.random(shape)).astype(np.float32)


def _draw(whole: _Generator, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """One batch as the generator gives it, but channels last, checked against the contract."""
    count = whole.batch_images
    try:
        images = np.asarray(whole.wired.signature.run(inputs)[whole.wired.images.name])
    except Exception as error:  # each framework raises its own kinds
        raise InputError(
            f"{whole.name} failed on {count} latents ({cause(error)}); export it so that it "
            "takes any number of them."
        ) from None
    form = whole.contract.images
    if form.layout == "NCHW" and images.ndim == 4:
        images = np.moveaxis(images, 1, -1)
    check_form(images, whole.name)
    if images.shape[1:] != (form.height, form.width, form.channels):
        raise InputError(
            f"{whole.name} returned images of shape {images.shape[1:]}, its {contracts.FILE_NAME} "
            f"says {(form.height, form.width, form.channels)}; correct the file."
        )
    if len(images) != count:
        raise InputError(
            f"{whole.name} returned {len(images)} images of {count} latents; it must give one each."
        )
    return images


def _quantised(whole: _Generator, images: np.ndarray) -> np.ndarray:
    if images.dtype == np.uint8:
        return images
    quantised = to_uint8(images, whole.contract.images.range, whole.name)
    if whole.inferred.range_is_a_guess and images.min() >= 0:
        raise InputError(
            f"{whole.name} returned no negative value, so its range is hardly [-1, 1]; give its "
            f"true --range, or write {contracts.FILE_NAME} with it (see the README)."
        )
    return quantised


def _dependence(whole: _Generator, inputs: dict[str, np.ndarray], images: np.ndarray) -> list[str]:
    """Whether an image changes with the others in its batch, or from one call to the next."""
    count = len(images)
    low, high = whole.contract.images.range
    allowed = DEPENDENCE * (high - low)
    if images.dtype == np.uint8:
        allowed = 1.0
    again = _largest(_draw(whole, inputs), images)
    if again > allowed:
        return [
            f"{whole.name} gives other images for the same latents (by up to {again:.3g}): it "
            "draws noise of its own, so that the seed does not decide its images."
        ]
    if count == 1:
        return []
    first = np.arange(count) // 2  # the first half, each image twice
    fixed = whole.wired.fixed
    other = _draw(whole, fixed | {k: v[first] for k, v in inputs.items() if k not in fixed})
    moved = _largest(other, images[first])
    if moved <= allowed:
        return []
    return [
        f"{whole.name} gives an image that depends on the others drawn with it (by up to "
        f"{moved:.3g}), as batch norm in training mode does; export it in inference mode."
    ]


def _largest(one: np.ndarray, other: np.ndarray) -> float:
    difference = np.abs(one.astype(np.float64) - other.astype(np.float64))
    return float(np.nanmax(difference, initial=0.0))
