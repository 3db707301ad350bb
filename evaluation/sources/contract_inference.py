"""The contract of a generator: what its file declares, what the user says, and what is inferred."""

import dataclasses
from typing import Any

import numpy as np

from evaluation.errors import InputError
from evaluation.sources import contract as contracts
from evaluation.sources.contract import Contract
from evaluation.sources.options import GeneratorOptions
from evaluation.sources.program import cause
from evaluation.sources.signature_matching import Wiring

RANGE = (-1.0, 1.0)
PROBES = 2  # latents of zeros, drawn to see what a model says nothing of


@dataclasses.dataclass(frozen=True)
class Inferred:
    """A contract and where it comes from.

    Attributes:
      contract: complete but for the shares of labels that are to follow a reference.
      inferred: what of it nobody said, in words.
      range_is_a_guess: whether nothing but custom speaks for the range.
      open_classes: whether how many classes there are is for the reference to tell.
    """

    contract: Contract
    inferred: tuple[str, ...]
    range_is_a_guess: bool
    open_classes: bool = False


def complete(wiring: Wiring, options: GeneratorOptions, name: str) -> Inferred:
    """The contract of a generator without a generator.json.

    Raises:
      InputError: the latents' width or the number of classes cannot be told, or the images are of
        another form.
    """
    said: list[str] = []
    dim = _latent_dim(wiring, options, name)
    law = options.latent or "normal"
    if options.latent is None:
        said.append("latents normal")
    labels = _labels(wiring, options, name)
    channels: Any
    shape, dtype = _image_shape(wiring, dim, name)
    layout = options.layout or _layout(shape, name)
    if options.layout is None and layout == "NCHW":
        said.append("layout NCHW")
    height, width, channels = shape if layout == "NHWC" else (*shape[1:], shape[0])
    if channels not in (1, 3):
        raise InputError(
            f"{name} gives images of {height} x {width} x {channels}; the last axis must be "
            "1 or 3 channels."
        )
    value_range = options.value_range or wiring.signature.value_range or RANGE
    guess = options.value_range is None
    if dtype == "uint8":
        value_range, guess = (0.0, 255.0), False
    if guess:
        said.append(f"range [{value_range[0]:g}, {value_range[1]:g}]")
    contract = Contract(
        format=contracts.FORMAT,
        signature=wiring.signature.name,
        latents=contracts.Latents(dim=dim, law=law),
        labels=labels,
        images=contracts.ImageForm(
            height=height, width=width, channels=channels, range=value_range, layout=layout
        ),
    )
    if labels is not None and options.labels is None:
        said.append("labels uniform")
    guess = guess and wiring.signature.value_range is None
    is_open = labels is not None and wiring.one_hot_classes is None
    return Inferred(contract, tuple(said), guess, is_open)


def override(contract: Contract, options: GeneratorOptions, name: str) -> Contract:
    """A declared contract with what the user says instead.

    Raises:
      InputError: labels of a generator that takes none, or a class that it has not.
    """
    changes: dict[str, Any] = {}
    latents: dict[str, Any] = {}
    images: dict[str, Any] = {}
    if options.latent_dim is not None:
        latents["dim"] = options.latent_dim
    if options.latent is not None:
        latents["law"] = options.latent
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
            raise _takes_none(options, name)
        changes["labels"] = with_shares(contract.labels, options.labels, name)
    return contract.model_copy(update=changes)


def with_shares(labels: contracts.Labels, wanted: str | int, name: str) -> contracts.Labels:
    """Labels in the shares that the user wants; those of a reference are left as they are.

    Raises:
      InputError: there is no such class.
    """
    if wanted == "reference":
        return labels
    law = [1 / labels.classes] * labels.classes
    if isinstance(wanted, int):
        if wanted >= labels.classes:
            raise InputError(
                f"labels={wanted}: {name} has {labels.classes} classes, 0 to {labels.classes - 1}; "
                "give one of them."
            )
        law = [float(number == wanted) for number in range(labels.classes)]
    return contracts.Labels(classes=labels.classes, law=law)


def of_reference(
    contract: Contract,
    labels: np.ndarray | None,
    real: str,
    name: str,
    open_classes: bool = False,
) -> Contract:
    """The contract with the labels in a reference's shares.

    Args:
      contract: of a conditional generator.
      labels: of the reference, shape (n,); None if it has none.
      real: the reference's name.
      name: the generator's.
      open_classes: the generator does not say how many classes it has; it has the reference's.

    Raises:
      InputError: the reference has no labels, or such as the generator has not.
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
    shares = np.bincount(labels, minlength=classes) / len(labels)
    drawn = contracts.Labels(classes=classes, law=shares.tolist())
    return contract.model_copy(update={"labels": drawn})


def _latent_dim(wiring: Wiring, options: GeneratorOptions, name: str) -> int:
    known = wiring.latents.shape[1] if wiring.latents.shape else None
    if options.latent_dim is None and known is None:
        raise InputError(f"{name} does not say how wide its latents are; give --latent-dim.")
    return known or options.latent_dim or 0


def _labels(wiring: Wiring, options: GeneratorOptions, name: str) -> contracts.Labels | None:
    if wiring.labels is None:
        if options.labels is not None:
            raise _takes_none(options, name)
        return None
    classes = wiring.one_hot_classes
    if classes is None and isinstance(options.labels, int):
        classes = options.labels + 1
    if classes is None and options.labels == "reference":
        classes = 1  # until the reference is known
    if classes is None:
        raise InputError(
            f"{name} takes labels and does not say of how many classes; give --labels NUMBER for "
            f"one class, --labels reference, or write {contracts.FILE_NAME} (see the README)."
        )
    uniform = contracts.Labels(classes=classes, law=[1 / classes] * classes)
    return with_shares(uniform, "uniform" if options.labels is None else options.labels, name)


def _takes_none(options: GeneratorOptions, name: str) -> InputError:
    return InputError(f"labels={options.labels!r}: {name} takes no labels; leave it out.")


def _image_shape(wiring: Wiring, dim: int, name: str) -> tuple[tuple[int, ...], str]:
    """Three sides of an image and its dtype: as the signature says, or as two images have them."""
    port = wiring.images
    if port.shape is not None and None not in port.shape[1:]:
        return tuple(int(side or 0) for side in port.shape[1:]), port.dtype
    count = wiring.batch_images or PROBES
    latents = wiring.shaped(np.zeros((count, dim), np.float32))
    inputs: dict[str, np.ndarray] = wiring.fixed | {wiring.latents.name: latents}
    if wiring.labels is not None:
        classes = wiring.one_hot_classes
        inputs[wiring.labels.name] = (
            np.eye(classes, dtype=np.float32)[np.zeros(count, int)]
            if classes
            else np.zeros(count, np.int64)
        )
    try:
        images = np.asarray(wiring.signature.run(inputs)[port.name])
    except Exception as error:  # each framework raises its own kinds
        raise InputError(
            f"{name} failed on {count} latents of {dim} zeros ({cause(error)}); give --latent-dim, "
            "or export it so that it takes any number of them."
        ) from None
    if images.ndim != 4:
        raise InputError(f"{name} gives shape {images.shape}; images are (n, H, W, C).")
    return images.shape[1:], images.dtype.name


def _layout(shape: tuple[int, ...], name: str) -> Any:
    """NCHW where the first axis alone can be channels."""
    return "NCHW" if shape[0] in (1, 3) and shape[-1] not in (1, 3) else "NHWC"
