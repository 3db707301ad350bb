"""Completes the contract of a generator: from its file, the user's options, and assumptions."""

import dataclasses
from typing import Any

import numpy as np

from evaluation.errors import InputError
from evaluation.sources import contract as contracts
from evaluation.sources.contract import Contract
from evaluation.sources.options import GeneratorOptions
from evaluation.sources.program import cause
from evaluation.sources.signature_matching import SignatureMatch

RANGE = (-1.0, 1.0)
PROBES = 2  # latents of zeros, to read the size of the images from the output


@dataclasses.dataclass(frozen=True)
class InferredContract:
    """A contract, and the assumptions in it.

    Attributes:
      contract: complete, except that labels drawn as in a reference still need the reference.
      notes: one phrase for each assumption, such as "latents normal".
      range_is_assumed: True if neither the file nor the user declares the range.
      open_classes: True if the reference decides the number of classes.
    """

    contract: Contract
    notes: tuple[str, ...]
    range_is_assumed: bool
    open_classes: bool = False


def complete(match: SignatureMatch, options: GeneratorOptions, name: str) -> InferredContract:
    """Returns the contract of a generator without a generator.json.

    Raises:
      InputError: the latents' width or the number of classes cannot be inferred, or the images are
        of another form.
    """
    notes: list[str] = []
    dim = _latent_dim(match, options, name)
    distribution = options.latent or "normal"
    if options.latent is None:
        notes.append("latents normal")
    labels = _labels(match, options, name)
    channels: Any
    shape, dtype = _image_shape(match, dim, name)
    layout = options.layout or _layout(shape)
    if options.layout is None and layout == "NCHW":
        notes.append("layout NCHW")
    height, width, channels = shape if layout == "NHWC" else (*shape[1:], shape[0])
    if channels not in (1, 3):
        raise InputError(
            f"{name} gives images of {height} x {width} x {channels}; the last axis must be "
            "1 or 3 channels."
        )
    value_range = options.value_range or match.signature.value_range or RANGE
    is_inferred = options.value_range is None
    if dtype == "uint8":
        value_range, is_inferred = (0.0, 255.0), False
    if is_inferred:
        notes.append(f"range [{value_range[0]:g}, {value_range[1]:g}]")
    contract = Contract(
        format=contracts.FORMAT,
        signature=match.signature.name,
        latents=contracts.Latents(dim=dim, distribution=distribution),
        labels=labels,
        images=contracts.ImageForm(
            height=height, width=width, channels=channels, range=value_range, layout=layout
        ),
    )
    if labels is not None and options.labels is None:
        notes.append("labels uniform")
    is_assumed = is_inferred and match.signature.value_range is None
    is_open = labels is not None and match.one_hot_classes is None
    return InferredContract(contract, tuple(notes), is_assumed, is_open)


def override(contract: Contract, options: GeneratorOptions, name: str) -> Contract:
    """Returns a declared contract with the user's options in place of the declared values.

    Raises:
      InputError: labels for a generator without labels, or a class that does not exist.
    """
    changes: dict[str, Any] = {}
    latents: dict[str, Any] = {}
    images: dict[str, Any] = {}
    if options.latent_dim is not None:
        latents["dim"] = options.latent_dim
    if options.latent is not None:
        latents["distribution"] = options.latent
    if latents and contract.latents is not None:
        changes["latents"] = contract.latents.model_copy(update=latents)
    if options.value_range is not None:
        images["range"] = options.value_range
    if options.layout is not None:
        images["layout"] = options.layout
    if images:
        changes["images"] = contract.images.model_copy(update=images)
    if options.signature is not None:
        changes["signature"] = options.signature
    if options.labels is not None:
        if contract.labels is None:
            raise _takes_no_labels(options, name)
        changes["labels"] = with_distribution(contract.labels, options.labels, name)
    return contract.model_copy(update=changes)


def with_distribution(labels: contracts.Labels, wanted: str | int, name: str) -> contracts.Labels:
    """Returns labels that are uniform or of one class; unchanged if `wanted` is "reference".

    Raises:
      InputError: the class does not exist.
    """
    if wanted == "reference":
        return labels
    distribution = [1 / labels.classes] * labels.classes
    if isinstance(wanted, int):
        if wanted >= labels.classes:
            raise InputError(
                f"labels={wanted}: {name} has {labels.classes} classes, 0 to {labels.classes - 1}; "
                "give one of them."
            )
        distribution = [float(number == wanted) for number in range(labels.classes)]
    return contracts.Labels(classes=labels.classes, distribution=distribution)


def from_reference(
    contract: Contract,
    labels: np.ndarray | None,
    real: str,
    name: str,
    open_classes: bool = False,
) -> Contract:
    """Returns the contract with the label distribution of a reference.

    Args:
      contract: the contract of a conditional generator.
      labels: the reference's labels, shape (n,); None if it has none.
      real: the reference's name.
      name: the generator's name.
      open_classes: the generator does not declare its number of classes; use the reference's.

    Raises:
      InputError: the reference has no labels, or labels that the generator does not have.
    """
    assert contract.labels is not None
    if labels is None:
        raise InputError(
            f"labels='reference': {real} has no labels; give uniform or a class's number."
        )
    most = int(labels.max())
    classes = most + 1 if open_classes else contract.labels.classes
    if most >= classes:
        raise InputError(
            f"labels='reference': {real} has the label {most}, and {name} has {classes} classes; "
            "give uniform or a class's number."
        )
    fractions = np.bincount(labels, minlength=classes) / len(labels)
    drawn = contracts.Labels(classes=classes, distribution=fractions.tolist())
    return contract.model_copy(update={"labels": drawn})


def _latent_dim(match: SignatureMatch, options: GeneratorOptions, name: str) -> int:
    declared = match.latents.shape[1] if match.latents.shape else None
    if options.latent_dim is None and declared is None:
        raise InputError(f"{name} does not declare the width of its latents; give --latent-dim.")
    return declared or options.latent_dim or 0


def _labels(match: SignatureMatch, options: GeneratorOptions, name: str) -> contracts.Labels | None:
    if match.labels is None:
        if options.labels is not None:
            raise _takes_no_labels(options, name)
        return None
    classes = match.one_hot_classes
    if classes is None and isinstance(options.labels, int):
        classes = options.labels + 1
    if classes is None and options.labels == "reference":
        classes = 1  # a placeholder until the reference is read
    if classes is None:
        raise InputError(
            f"{name} takes labels and does not declare the number of classes; give --labels NUMBER "
            f"for one class, --labels reference, or write {contracts.FILE_NAME} (see the README)."
        )
    uniform = contracts.Labels(classes=classes, distribution=[1 / classes] * classes)
    wanted = "uniform" if options.labels is None else options.labels
    return with_distribution(uniform, wanted, name)


def _takes_no_labels(options: GeneratorOptions, name: str) -> InputError:
    return InputError(f"labels={options.labels!r}: {name} takes no labels; leave it out.")


def _image_shape(match: SignatureMatch, dim: int, name: str) -> tuple[tuple[int, ...], str]:
    """Returns the three axes of an image, and its dtype.

    Both come from the signature, or, where it leaves an axis open, from generated images.
    """
    port = match.images
    if port.shape is not None and None not in port.shape[1:]:
        return tuple(int(side or 0) for side in port.shape[1:]), port.dtype
    count = match.batch_images or PROBES
    latents = match.shaped(np.zeros((count, dim), np.float32))
    inputs: dict[str, np.ndarray] = match.fixed | {match.latents.name: latents}
    if match.labels is not None:
        classes = match.one_hot_classes
        inputs[match.labels.name] = (
            np.eye(classes, dtype=np.float32)[np.zeros(count, int)]
            if classes
            else np.zeros(count, np.int64)
        )
    try:
        images = np.asarray(match.signature.run(inputs)[port.name])
    except Exception as error:  # each framework raises its own types
        raise InputError(
            f"{name} failed on {count} latents of {dim} zeros ({cause(error)}); give --latent-dim, "
            "or export it so that it takes any number of latents."
        ) from None
    if images.ndim != 4:
        raise InputError(f"{name} gives shape {images.shape}; images are (n, H, W, C).")
    return images.shape[1:], images.dtype.name


def _layout(shape: tuple[int, ...]) -> Any:
    """Returns "NCHW" if only the first axis can be channels, else "NHWC"."""
    return "NCHW" if shape[0] in (1, 3) and shape[-1] not in (1, 3) else "NHWC"
