"""A trained generator: a SavedModel directory with a generator.json inside it."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.errors import InputError
from evaluation.quiet import import_tensorflow
from evaluation.sources import contract as contracts
from evaluation.sources.contract import Contract
from evaluation.sources.sampler import BATCH_IMAGES, Sampler, check_form, to_uint8

MODEL_FILE = "saved_model.pb"


@dataclasses.dataclass(frozen=True)
class _Signature:
    """A SavedModel's function with the names of what it takes and gives."""

    function: Any
    latents: str
    labels: str | None
    images: str
    tokens: str | None = None


def find(path: str | Path) -> Path | None:
    """The generator's directory: `path`, or `path`/generator of a training run, or None."""
    for directory in (Path(path), Path(path) / "generator"):
        if (directory / MODEL_FILE).is_file() or (directory / contracts.FILE_NAME).is_file():
            return directory
    return None


def load(path: str | Path) -> Sampler:
    """Loads a generator without running it.

    A SavedModel without generator.json is taken if one of its signatures has a single float input
    (n, d) and a single output (n, H, W, C): then latents N(0, 1) and the range [-1, 1] are assumed,
    and said so in `inferred`.

    Args:
      path: the SavedModel's directory, or a training run's.

    Raises:
      InputError: missing, damaged or foreign; the line says what is needed.
    """
    directory = find(path)
    if directory is None:
        raise InputError(
            f"{path} holds no generator; give a directory with {MODEL_FILE} and "
            f"{contracts.FILE_NAME}, as training exports to RUN_DIR/generator."
        )
    if not (directory / MODEL_FILE).is_file():
        raise InputError(f"{directory} has no {MODEL_FILE}; export the generator again.")
    declared = (directory / contracts.FILE_NAME).is_file()
    contract = contracts.read(directory) if declared else None
    model = _load_model(directory)
    if contract is None:
        contract, signature = _infer(model, directory)
    else:
        signature = _declared_signature(model, contract, directory)
    run_dir = directory.parent if (directory.parent / "metrics.jsonl").is_file() else None
    inferred = () if declared else ("latents normal", "range [-1, 1]")

    def batches(seed: int) -> Iterator[np.ndarray]:
        assert model is not None  # its variables live as long as it does
        for inputs in _inputs(contract, signature, seed):
            yield _draw(signature, inputs, contract, str(path), declared)

    described = contract.model_dump(mode="json")
    return Sampler(batches, str(path), described, inferred, run_dir)


def _load_model(directory: Path):
    tf = import_tensorflow()
    try:
        return tf.saved_model.load(str(directory))
    except Exception as error:  # TensorFlow raises many kinds for damaged files
        raise InputError(
            f"{directory} cannot be loaded as a SavedModel ({_cause(error)}); it is damaged or of "
            "another program: export the generator again."
        ) from None


def _declared_signature(model, contract: Contract, directory: Path) -> _Signature:
    """The signature that the contract names, once its inputs and outputs are what they must be."""
    if contract.latents is None:
        raise InputError(
            f"{directory} makes images from images, and draws none of its own; let it translate a "
            "folder of images, and give the folder that it writes."
        )
    function = model.signatures.get(contract.signature)
    width = contract.latents.dim
    if function is not None:
        takes, gives = function.structured_input_signature[1], function.structured_outputs
        labels = "labels" if contract.labels else None
        tokens = "tokens" if contract.tokens else None
        named = {"latents", *([labels] if labels else []), *([tokens] if tokens else [])}
        fits = set(takes) == named and "images" in gives
        fits = fits and _is_latents(takes["latents"], width)
        fits = fits and (labels is None or _is_labels(takes[labels]))
        if fits and (tokens is None or _is_tokens(takes[tokens], contract.tokens)):
            return _Signature(function, "latents", labels, "images", tokens)
    needed = (
        f"latents (n, {width}) of floats"
        + (" and labels (n,) of integers" if contract.labels else "")
        + (" and tokens (n, words) of integers" if contract.tokens else "")
    )
    raise InputError(
        f"{directory} has no signature {contract.signature!r} that takes {needed}, any n, "
        f"and gives images, as its {contracts.FILE_NAME} says; it has {_listing(model)}. "
        "Export it again."
    )


def _is_latents(spec, width: int | None = None) -> bool:
    """Whether an input is (n, width) floats for any n; without a width, for some fixed one."""
    if spec.shape.rank != 2 or not spec.dtype.is_floating or spec.shape[0] is not None:
        return False
    return spec.shape[1] == width if width else bool(spec.shape[1])


def _is_labels(spec) -> bool:
    """Whether an input is (n,) integers for any n."""
    return spec.shape.rank == 1 and spec.shape[0] is None and spec.dtype.is_integer


def _is_tokens(spec, tokens: contracts.Tokens | None) -> bool:
    """Whether an input is (n, words) integers for any n."""
    words = len(tokens.rows[0]) if tokens else None
    return spec.shape.rank == 2 and list(spec.shape) == [None, words] and spec.dtype.is_integer


def _infer(model, directory: Path) -> tuple[Contract, _Signature]:
    """The contract of a foreign SavedModel, where its signatures leave no doubt."""
    found = []
    for name, function in model.signatures.items():
        takes, gives = function.structured_input_signature[1], function.structured_outputs
        if len(takes) != 1 or len(gives) != 1:
            continue
        source, latents = next(iter(takes.items()))
        target, images = next(iter(gives.items()))
        if _is_latents(latents) and images.shape.rank == 4 and None not in images.shape[1:]:
            found.append((name, latents.shape[1], images.shape[1:], function, source, target))
    if len(found) != 1:
        raise InputError(
            f"{directory} has no {contracts.FILE_NAME}, and its signatures do not tell which takes "
            f"latents (n, d), any n, and gives images (n, H, W, C): it has {_listing(model)}. "
            f"Write {contracts.FILE_NAME} into that directory (see the README)."
        )
    name, dim, (height, width, channels), function, source, target = found[0]
    if channels not in (1, 3):
        raise InputError(
            f"{directory} gives images of {height} x {width} x {channels}; the last axis must be "
            "1 or 3 channels."
        )
    contract = Contract(
        format=contracts.FORMAT,
        signature=name,
        latents=contracts.Latents(dim=dim, law="normal"),
        images=contracts.ImageForm(
            height=height, width=width, channels=channels, range=(-1.0, 1.0)
        ),
    )
    return contract, _Signature(function, source, None, target)


def _inputs(contract: Contract, signature: _Signature, seed: int) -> Iterator[dict]:
    """Endless batches of inputs; latents and labels come from streams of their own."""
    latents_rng, labels_rng = (np.random.default_rng([seed, stream]) for stream in (0, 1))
    assert contract.latents is not None
    shape = (BATCH_IMAGES, contract.latents.dim)
    while True:
        normal = contract.latents.law == "normal"
        drawn = latents_rng.standard_normal(shape) if normal else latents_rng.uniform(-1, 1, shape)
        inputs: dict[str, np.ndarray] = {signature.latents: drawn.astype(np.float32)}
        if contract.labels and signature.labels:
            law = np.asarray(contract.labels.law) / sum(contract.labels.law)
            inputs[signature.labels] = labels_rng.choice(len(law), BATCH_IMAGES, p=law)
        if contract.tokens and signature.tokens:
            law = np.asarray(contract.tokens.law) / sum(contract.tokens.law)
            chosen = labels_rng.choice(len(law), BATCH_IMAGES, p=law)
            inputs[signature.tokens] = np.asarray(contract.tokens.rows)[chosen]
        yield inputs


def _draw(signature: _Signature, inputs: dict, contract: Contract, name: str, declared: bool):
    """One batch of uint8 images, checked against the contract."""
    tf = import_tensorflow()
    specs = signature.function.structured_input_signature[1]
    tensors = {key: tf.constant(value, specs[key].dtype) for key, value in inputs.items()}
    try:
        images = signature.function(**tensors)[signature.images].numpy()
    except tf.errors.OpError as error:
        raise InputError(
            f"{name} failed on {BATCH_IMAGES} latents ({_cause(error)}); export it so that it "
            "takes any number of them."
        ) from None
    form = contract.images
    check_form(images, name)
    if images.shape[1:] != (form.height, form.width, form.channels):
        raise InputError(
            f"{name} returned images of shape {images.shape[1:]}, its {contracts.FILE_NAME} says "
            f"{(form.height, form.width, form.channels)}; correct the file."
        )
    quantised = to_uint8(images, form.range, name)
    if not declared and images.min() >= 0:
        raise InputError(
            f"{name} returned no negative value, so its range is hardly [-1, 1]; write "
            f"{contracts.FILE_NAME} with its true range (see the README)."
        )
    return quantised


def _cause(error: Exception) -> str:
    """The line of TensorFlow's long messages that says what went wrong: the last in plain words."""
    lines = [line.strip().partition(" [Op:")[0] for line in str(error).splitlines()]
    told = [line for line in lines if line and not line.startswith(("[[", "Function call stack"))]
    return told[-1][:200] if told else type(error).__name__


def _listing(model) -> str:
    """The signatures in one line: name(inputs) -> outputs."""
    lines = []
    for name, function in model.signatures.items():
        takes = ", ".join(
            f"{key} {_shape(spec)} {spec.dtype.name}"
            for key, spec in function.structured_input_signature[1].items()
        )
        gives = ", ".join(f"{k} {_shape(spec)}" for k, spec in function.structured_outputs.items())
        lines.append(f"{name}({takes}) -> {gives}")
    return "; ".join(lines) or "no signatures at all"


def _shape(spec) -> str:
    if spec.shape.rank is None:
        return "(?)"
    return "(" + ", ".join("n" if side is None else str(side) for side in spec.shape) + ")"
