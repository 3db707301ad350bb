"""From the text "classifier:PATH" to the file in this folder that knows such features."""

import difflib
import functools
import importlib
import importlib.util
import os
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import Any

from evaluation.core import validation
from evaluation.errors import InputError

SHIPPED = Path(__file__).resolve().parent
PACKAGE = "evaluation.features"
MODEL_SUFFIXES = (".keras", ".h5", ".hdf5")
OF_PATHS = ("classifier", "onnx")


@functools.cache
def names() -> tuple[str, ...]:
    """The kinds of features, as they are written: the files here that have `open_extractor`."""
    found = (module.name for module in pkgutil.iter_modules([str(SHIPPED)]))
    kinds = (name for name in found if hasattr(_module(name), "open_extractor"))
    return tuple(sorted(name.replace("_", "-") for name in kinds))


def shipped() -> list[str]:
    """The classifiers that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.keras"))


def load(kind: str) -> ModuleType:
    """The module of a kind."""
    return _module(kind.replace("-", "_"))


def parse(features: Any) -> tuple[str, str]:
    """The kind and its argument: "keras:ResNet50" is ("keras", "ResNet50").

    A shipped classifier's name and a path of a Keras model mean a classifier; MODULE:FUNCTION,
    whose module is no kind of features, means a function of one's own.

    Raises:
      InputError: there are no such features, or no such file.
    """
    if not isinstance(features, str | os.PathLike):
        raise InputError(f"features={validation.shown(features)}; it must be {choice()}.")
    text = os.fspath(features)
    if text in shipped():
        return "classifier", str(SHIPPED / f"{text}.keras")
    kind, colon, argument = text.partition(":")
    if kind not in names():
        kind, argument = _unnamed(text)
    elif colon and not argument:
        raise InputError(f"features={text!r} names nothing after its colon; give {choice()}.")
    if kind in OF_PATHS and not argument:
        raise InputError(f"features={text!r} names no file; write {kind}:PATH.")
    if kind in OF_PATHS and not Path(argument).exists():
        raise InputError(f"{argument} does not exist; give the path of a network, or {choice()}.")
    return kind, argument


def _unnamed(text: str) -> tuple[str, str]:
    """The kind of a text that does not begin with one."""
    if text.lower().endswith(MODEL_SUFFIXES) or (Path(text) / "saved_model.pb").is_file():
        return "classifier", text
    if text.lower().endswith(".onnx"):
        raise InputError(
            f"features={text!r}: write onnx:{text} for features by a NAME.json beside it, or "
            f"classifier:{text} for a classifier with logits."
        )
    head, colon, rest = text.rpartition(":")
    if colon and rest and (head.endswith(".py") or _is_module(head)):
        return "custom", text
    known = [*names(), *shipped()]
    near = difflib.get_close_matches(text.partition(":")[0], known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"give {choice()}."
    raise InputError(f"unknown features {text!r}; {hint}")


def choice() -> str:
    """What may be given, in words."""
    ready = " or ".join(repr(name) for name in ["pixels", *shipped()])
    return (
        f"{ready}, 'inception', 'random-conv', classifier:PATH, onnx:PATH, keras:NAME or "
        "MODULE:FUNCTION"
    )


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{PACKAGE}.{name}")


def _is_module(name: str) -> bool:
    """Whether Python finds a module of that name."""
    try:
        return all(part.isidentifier() for part in name.split(".")) and (
            importlib.util.find_spec(name) is not None
        )
    except (ImportError, ValueError):
        return False
