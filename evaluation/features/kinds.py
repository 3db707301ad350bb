"""Finds the file in this folder for a text such as "classifier:PATH"."""

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
PATH_KINDS = ("classifier", "onnx")  # kinds whose argument is a path


@functools.cache
def names() -> tuple[str, ...]:
    """Returns the kinds of features: the files in this folder that define `open_extractor`."""
    files = (info.name for info in pkgutil.iter_modules([str(SHIPPED)]))
    return tuple(sorted(name.replace("_", "-") for name in files if _is_kind(_module(name))))


def shipped() -> list[str]:
    """Returns the names of the classifiers that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.keras"))


def load(kind: str) -> ModuleType:
    """Imports the module of a kind."""
    return _module(kind.replace("-", "_"))


def parse(features: Any) -> tuple[str, str]:
    """Splits features into kind and argument: "keras:ResNet50" is ("keras", "ResNet50").

    A shipped classifier's name and the path of a Keras model are of the kind "classifier";
    MODULE:FUNCTION is of the kind "custom".

    Raises:
      InputError: unknown features, or a file that does not exist.
    """
    if not isinstance(features, str | os.PathLike):
        raise InputError(f"features={validation.shown(features)}; it must be {choices()}.")
    text = os.fspath(features)
    if text in shipped():
        return "classifier", str(SHIPPED / f"{text}.keras")
    kind, colon, argument = text.partition(":")
    if kind not in names():
        kind, argument = _guess_kind(text)
    elif colon and not argument:
        raise InputError(f"features={text!r} has nothing after the colon; give {choices()}.")
    if kind in PATH_KINDS and not argument:
        raise InputError(f"features={text!r} names no file; write {kind}:PATH.")
    if kind in PATH_KINDS and not Path(argument).exists():
        raise InputError(f"{argument} does not exist; give the path of a network, or {choices()}.")
    return kind, argument


def _guess_kind(text: str) -> tuple[str, str]:
    """Returns kind and argument of a text that does not begin with a kind."""
    if text.lower().endswith(MODEL_SUFFIXES) or (Path(text) / "saved_model.pb").is_file():
        return "classifier", text
    if text.lower().endswith(".onnx"):
        raise InputError(
            f"features={text!r}: write onnx:{text} for features, as the NAME.json beside it "
            f"describes, or classifier:{text} for a classifier with logits."
        )
    head, colon, rest = text.rpartition(":")
    if colon and rest and (head.endswith(".py") or _is_module(head)):
        return "custom", text
    near = difflib.get_close_matches(text.partition(":")[0], [*names(), *shipped()], n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"give {choices()}."
    raise InputError(f"unknown features {text!r}; {hint}")


def choices() -> str:
    """Returns the possible features as part of a sentence."""
    ready = " or ".join(repr(name) for name in ["pixels", *shipped()])
    return (
        f"{ready}, 'inception', 'random-conv', classifier:PATH, onnx:PATH, keras:NAME or "
        "MODULE:FUNCTION"
    )


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{PACKAGE}.{name}")


def _is_kind(module: ModuleType) -> bool:
    """Returns whether a module defines `open_extractor`, rather than imports that function."""
    function = getattr(module, "open_extractor", None)
    return function is not None and function.__module__ == module.__name__


def _is_module(name: str) -> bool:
    """Returns whether Python can import a module of that name."""
    try:
        return all(part.isidentifier() for part in name.split(".")) and (
            importlib.util.find_spec(name) is not None
        )
    except (ImportError, ValueError):
        return False
