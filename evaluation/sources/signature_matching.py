"""Which input and output of a saved model is what: as declared, or told from their types."""

import dataclasses

import numpy as np

from evaluation.errors import InputError
from evaluation.sources.contract import FILE_NAME, Contract
from evaluation.sources.options import GeneratorOptions
from evaluation.sources.program import DEFAULT_SIGNATURE, Port, Program, Signature

LABEL_WORDS = ("label", "class", "onehot", "one_hot", "cond")  # in the name of a one-hot input


@dataclasses.dataclass(frozen=True)
class Wiring:
    """A signature with what each of its ports is.

    Attributes:
      signature: the function.
      latents: its input of latents.
      images: its output of images.
      labels: its input of labels, if it has one: whole numbers (n,), or one-hot (n, classes).
      tokens: its input of word numbers (n, words), if it has one.
      flags: its inputs that are one truth value, such as whether it trains: always False.
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
        """Latents (n, d) as the function takes them: (n, d, 1, 1) where it looks like an image."""
        pixels = self.latents.shape is not None and len(self.latents.shape) == 4
        return latents[:, :, None, None] if pixels else latents

    @property
    def one_hot_classes(self) -> int | None:
        """How many classes a one-hot input has; None where there is none."""
        if self.labels is None or self.labels.shape is None or len(self.labels.shape) != 2:
            return None
        return self.labels.shape[1]

    @property
    def batch_images(self) -> int | None:
        """The one batch size that the signature takes; None where it takes any."""
        return self.latents.shape[0] if self.latents.shape else None


def declared(program: Program, contract: Contract, name: str) -> Wiring:
    """The wiring by the names that gantf's exports have: latents, labels, tokens, images.

    Args:
      program: the loaded model.
      contract: its generator.json.
      name: the source, for errors.

    Raises:
      InputError: it makes images from images, or has no signature of that form.
    """
    if contract.latents is None:
        raise InputError(
            f"{name} makes images from images, and draws none of its own; let it translate a "
            "folder of images, and give the folder that it writes."
        )
    width = contract.latents.dim
    found = {signature.name: signature for signature in program.signatures}
    signature = found.get(contract.signature)
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
            return Wiring(signature, *ports)
    needed = (
        f"latents (n, {width}) of floats"
        + (" and labels (n,) of integers" if contract.labels else "")
        + (" and tokens (n, words) of integers" if contract.tokens else "")
    )
    raise InputError(
        f"{name} has no signature {contract.signature!r} that takes {needed}, any n, "
        f"and gives images, as its {FILE_NAME} says; it has {program.listing}. "
        "Export it again."
    )


def inferred(program: Program, options: GeneratorOptions, name: str) -> Wiring:
    """The wiring of a model that declares nothing, where its types leave no doubt.

    Args:
      program: the loaded model.
      options: `signature` chooses one, `latent_dim` says the width where the model does not.
      name: the source, for errors.

    Raises:
      InputError: no signature takes latents and gives images, or several do.
    """
    wirings = []
    for signature in program.signatures:
        if options.signature in (None, signature.name):
            wired = _wired(signature, options.latent_dim)
            wirings += [wired] if wired is not None else []
    wirings = _without_twins(wirings)
    if len(wirings) == 1:
        return wirings[0]
    if options.signature is not None and not wirings:
        raise InputError(
            f"signature={options.signature!r}: {name} has none of that name that takes latents "
            f"(n, d) and gives images; it has {program.listing}."
        )
    if len(wirings) > 1:
        raise InputError(
            f"{name} has {len(wirings)} signatures that take latents and give images: "
            f"{program.listing}; choose one with --signature."
        )
    raise InputError(
        f"{name} has no {FILE_NAME}, and its signatures do not tell which takes "
        f"latents (n, d), any n, and gives images (n, H, W, C): it has {program.listing}. "
        f"Say it with --signature or --latent-dim, or write {FILE_NAME} (see the README)."
    )


def _without_twins(wirings: list[Wiring]) -> list[Wiring]:
    """The default alone, where all are one function: Keras exports each under two names."""
    default = [wired for wired in wirings if wired.signature.name == DEFAULT_SIGNATURE]
    if len(wirings) < 2 or not default:
        return wirings
    try:
        first, *others = (_tried(wired) for wired in wirings)
    except Exception:  # whatever a framework raises: then they are not known to be one
        return wirings
    return default if all(np.array_equal(first, other) for other in others) else wirings


def _tried(wired: Wiring) -> np.ndarray:
    """What a function without labels makes of some latents."""
    if wired.labels is not None or wired.latents.shape is None:
        raise ValueError("not tried")
    count, dim = wired.latents.shape[0] or 2, wired.latents.shape[1] or 0
    latents = np.linspace(-1, 1, count * dim, dtype=np.float32).reshape(count, dim)
    inputs = wired.fixed | {wired.latents.name: wired.shaped(latents)}
    return np.asarray(wired.signature.run(inputs)[wired.images.name])


def _wired(signature: Signature, latent_dim: int | None) -> Wiring | None:
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
        return Wiring(signature, latents[0], images[0], others[0], flags=flags)
    if len(latents) != 1 or len(others) > 1:
        return None
    if others and not _is_labels(others[0]):
        return None
    labels = others[0] if others else None
    return Wiring(signature, latents[0], images[0], labels, flags=flags)


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
    """Whether an input is (n,) integers for any n."""
    return port.is_integer and port.shape is not None and port.shape == (None,)


def _is_tokens(port: Port, words: int) -> bool:
    """Whether an input is (n, words) integers for any n."""
    return port.is_integer and port.shape is not None and port.shape == (None, words)
