"""Finds the latents, labels and images among a model's inputs and outputs, by name or by type."""

import dataclasses

import numpy as np

from evaluation.errors import InputError
from evaluation.sources.contract import FILE_NAME, Contract
from evaluation.sources.options import GeneratorOptions
from evaluation.sources.program import DEFAULT_SIGNATURE, Port, Program, Signature

LABEL_WORDS = ("label", "class", "onehot", "one_hot", "cond")  # in the name of a one-hot input


@dataclasses.dataclass(frozen=True)
class SignatureMatch:
    """A signature and the role of each of its inputs and outputs.

    Attributes:
      signature: the function.
      latents: its input of latents.
      images: its output of images.
      labels: its input of labels, or None: whole numbers (n,), or one-hot (n, classes).
      tokens: its input of word numbers (n, words), or None.
      flags: its boolean inputs, such as "training"; they are always False.
    """

    signature: Signature
    latents: Port
    images: Port
    labels: Port | None = None
    tokens: Port | None = None
    flags: tuple[Port, ...] = ()

    @property
    def fixed(self) -> dict[str, np.ndarray]:
        """The inputs that are the same for all images."""
        return {port.name: np.array(False) for port in self.flags}

    def shaped(self, latents: np.ndarray) -> np.ndarray:
        """Returns latents (n, d) in the function's shape: (n, d), or (n, d, 1, 1)."""
        pixels = self.latents.shape is not None and len(self.latents.shape) == 4
        return latents[:, :, None, None] if pixels else latents

    @property
    def one_hot_classes(self) -> int | None:
        """The number of classes of a one-hot input; None without such an input."""
        if self.labels is None or self.labels.shape is None or len(self.labels.shape) != 2:
            return None
        return self.labels.shape[1]

    @property
    def batch_images(self) -> int | None:
        """The only batch size that the signature takes; None if it takes any."""
        return self.latents.shape[0] if self.latents.shape else None


def match_declared(program: Program, contract: Contract, name: str) -> SignatureMatch:
    """Matches a signature by the names in gantf's exports: latents, labels, tokens, images.

    Args:
      program: the loaded model.
      contract: its generator.json.
      name: the source's name in errors.

    Raises:
      InputError: the model translates images, or has no signature of that form.
    """
    if contract.latents is None:
        raise InputError(
            f"{name} makes images from images, and draws none of its own; let it translate a "
            "folder of images, and give the folder that it writes."
        )
    width = contract.latents.dim
    signatures = {signature.name: signature for signature in program.signatures}
    signature = signatures.get(contract.signature)
    if signature is not None:
        takes = {port.name: port for port in signature.takes}
        gives = {port.name: port for port in signature.gives}
        wanted = {"latents"}
        wanted |= {"labels"} if contract.labels else set()
        wanted |= {"tokens"} if contract.tokens else set()
        fits = set(takes) == wanted and "images" in gives
        fits = fits and _is_latents(takes["latents"], width)
        fits = fits and ("labels" not in wanted or _is_labels(takes["labels"]))
        words = len(contract.tokens.rows[0]) if contract.tokens else 0
        fits = fits and ("tokens" not in wanted or _is_tokens(takes["tokens"], words))
        if fits:
            ports = takes["latents"], gives["images"], takes.get("labels"), takes.get("tokens")
            return SignatureMatch(signature, *ports)
    needed = (
        f"latents (n, {width}) of floats"
        + (" and labels (n,) of integers" if contract.labels else "")
        + (" and tokens (n, words) of integers" if contract.tokens else "")
    )
    raise InputError(
        f"{name} has no signature {contract.signature!r} that takes {needed}, any n, "
        f"and gives images, as its {FILE_NAME} declares; it has {program.listing}. "
        "Export it again."
    )


def match_inferred(program: Program, options: GeneratorOptions, name: str) -> SignatureMatch:
    """Matches a signature of a model without declarations, if the types leave one choice.

    Args:
      program: the loaded model.
      options: `signature` selects one; `latent_dim` is the width where the model declares none.
      name: the source's name in errors.

    Raises:
      InputError: no signature takes latents and gives images, or several do.
    """
    matches = []
    for signature in program.signatures:
        if options.signature in (None, signature.name):
            match = _match(signature, options.latent_dim)
            matches += [match] if match is not None else []
    matches = _without_twins(matches)
    if len(matches) == 1:
        return matches[0]
    if options.signature is not None and not matches:
        raise InputError(
            f"signature={options.signature!r}: {name} has none of that name that takes latents "
            f"(n, d) and gives images; it has {program.listing}."
        )
    if len(matches) > 1:
        raise InputError(
            f"{name} has {len(matches)} signatures that take latents and give images: "
            f"{program.listing}; choose one with --signature."
        )
    raise InputError(
        f"{name} has no {FILE_NAME}, and none of its signatures clearly takes latents (n, d), any "
        f"n, and gives images (n, H, W, C): it has {program.listing}. "
        f"Give --signature or --latent-dim, or write {FILE_NAME} (see the README)."
    )


def _without_twins(matches: list[SignatureMatch]) -> list[SignatureMatch]:
    """Returns the default alone if all are one function: Keras exports each under two names."""
    default = [match for match in matches if match.signature.name == DEFAULT_SIGNATURE]
    if len(matches) < 2 or not default:
        return matches
    try:
        first, *others = (_sample_images(match) for match in matches)
    except Exception:  # frameworks raise any type; then nothing shows that they are one function
        return matches
    return default if all(np.array_equal(first, other) for other in others) else matches


def _sample_images(match: SignatureMatch) -> np.ndarray:
    """Returns the images of an unconditional function for a few fixed latents."""
    if match.labels is not None or match.latents.shape is None:
        raise ValueError("not tried")
    count, dim = match.latents.shape[0] or 2, match.latents.shape[1] or 0
    latents = np.linspace(-1, 1, count * dim, dtype=np.float32).reshape(count, dim)
    inputs = match.fixed | {match.latents.name: match.shaped(latents)}
    return np.asarray(match.signature.run(inputs)[match.images.name])


def _match(signature: Signature, latent_dim: int | None) -> SignatureMatch | None:
    images = [port for port in signature.gives if _may_be_images(port)]
    if len(images) != 1:
        return None
    flags = tuple(port for port in signature.takes if port.dtype == "bool" and port.shape == ())
    takes = [port for port in signature.takes if port not in flags]
    latents = [port for port in takes if _may_be_latents(port, latent_dim)]
    others = [port for port in takes if port not in latents]
    if len(latents) == 2 and not others:  # one of them may be one-hot labels
        named = [p for p in latents if any(word in p.name.lower() for word in LABEL_WORDS)]
        if len(named) != 1:
            return None
        latents.remove(named[0])
        others = named
        return SignatureMatch(signature, latents[0], images[0], others[0], flags=flags)
    if len(latents) != 1 or len(others) > 1:
        return None
    if others and not _is_labels(others[0]):
        return None
    labels = others[0] if others else None
    return SignatureMatch(signature, latents[0], images[0], labels, flags=flags)


def _may_be_latents(port: Port, dim: int | None) -> bool:
    if not port.is_float:
        return False
    if port.shape is None:
        return dim is not None
    flat = len(port.shape) == 2 or (len(port.shape) == 4 and port.shape[2:] == (1, 1))
    return flat and (dim in (None, port.shape[1]) or port.shape[1] is None)


def _may_be_images(port: Port) -> bool:
    return (port.is_float or port.dtype == "uint8") and (port.shape is None or len(port.shape) == 4)


def _is_latents(port: Port, width: int) -> bool:
    return port.is_float and port.shape is not None and port.shape == (None, width)


def _is_labels(port: Port) -> bool:
    """Returns whether an input is (n,) integers for any n."""
    return port.is_integer and port.shape is not None and port.shape == (None,)


def _is_tokens(port: Port, words: int) -> bool:
    """Returns whether an input is (n, words) integers for any n."""
    return port.is_integer and port.shape is not None and port.shape == (None, words)
