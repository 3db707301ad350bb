"""Mean and covariance of features, alone in a file: this package's, and those of other programs.

    form            file    holds
    "gantf"         .npz    n, mean, scatter (float64), and which features they are of
    "pytorch-fid"   .npz    mu, sigma (divided by n - 1); so do clean-fid, ADM and EDM
    "clean-fid"     .npz    the same
    "stylegan3"     .pkl    StyleGAN2-ADA's and 3's: n and the raw sums; see stylegan_files.py

Files of other programs do not say which features they hold, those of mu and sigma not even of how
many images: with them FID can be computed without its correction, and nothing else.
"""

import dataclasses
import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from evaluation.core import validation
from evaluation.distances.moments import Moments
from evaluation.errors import InputError
from evaluation.features import Features
from evaluation.features.files import stylegan
from evaluation.runtime.files import atomic_write

FORMS = {"gantf": ".npz", "pytorch-fid": ".npz", "clean-fid": ".npz", "stylegan3": ".pkl"}
FORMAT = 1
SYMMETRIC = 1e-6  # of the largest entry


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Mean and covariance of a set of images' features.

    Attributes:
      n: of how many images; None where the file does not say.
      mean: float64, shape (d,).
      covariance: the scatter divided by n - 1, float64, shape (d, d).
      name: of the features, as `Features.name`; empty where the file does not say.
      sha256: of the features, likewise.
      settings: of the features, likewise.
      images: what the images are known by, as `Features.images`; None where nothing does.
      source: the path of the file; empty for what was never in one.
    """

    n: int | None
    mean: np.ndarray
    covariance: np.ndarray
    name: str = ""
    sha256: str = ""
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    images: str | None = None
    source: str = ""

    @classmethod
    def of_moments(cls, moments: Moments, **more: Any) -> "Statistics":
        """The same as n, mean and scatter; `more` are the other fields."""
        return cls(moments.n, moments.mean, moments.covariance(1), **more)

    def moments(self) -> Moments:
        """N, mean and scatter, which merge with others.

        Raises:
          InputError: n is not known.
        """
        if self.n is None:
            raise InputError(
                f"{self.source or 'statistics'} does not say of how many images it is; such files "
                "cannot be merged, nor written in a form that needs that number."
            )
        return Moments(self.n, self.mean, self.covariance * (self.n - 1))

    @property
    def content_sha256(self) -> str:
        """Hash of the numbers."""
        digest = hashlib.sha256(str(self.n).encode())
        for array in (self.mean, self.covariance):
            digest.update(np.ascontiguousarray(array, np.float64).tobytes())
        return digest.hexdigest()


def statistics_of(features: Features, source: str = "") -> Statistics:
    """The moments of features, shape (n, d), n >= 2.

    Raises:
      InputError: there are fewer than two rows.
    """
    if len(features.features) < 2:
        raise InputError(f"features has {len(features.features)} rows; a covariance needs 2.")
    return Statistics.of_moments(
        Moments.of(features.features),
        name=features.name,
        sha256=features.sha256,
        settings=dict(features.settings),
        images=features.images,
        source=source,
    )


def save_statistics(
    features: Features | Statistics, path: str | os.PathLike, form: str = "gantf"
) -> None:
    """Writes mean and covariance, whole or not at all.

    Args:
      features: as `extract` gives them, or their statistics.
      path: ending in .npz, or for "stylegan3" in .pkl.
      form: see the top of this file.

    Raises:
      InputError: an unknown form, another ending, too few rows, or a place that cannot be written.
    """
    validation.check_choice("form", form, FORMS)
    if Path(path).suffix.lower() != FORMS[form]:
        raise InputError(f"path={os.fspath(path)!r}: files of form {form!r} end in {FORMS[form]}.")
    if not isinstance(features, Features | Statistics):
        raise InputError(
            f"features is {type(features).__name__}; give what evaluation.extract returned."
        )
    found = features if isinstance(features, Statistics) else statistics_of(features)
    if form == "stylegan3":
        content = stylegan.packed(found.moments())
        write_file(path, lambda file: file.write(content))
        return
    if form == "gantf":
        moments = found.moments()
        described = json.dumps(_described(found), sort_keys=True)
        n, mean, scatter = np.int64(moments.n), moments.mean, moments.scatter
        write_file(
            path, lambda f: np.savez(f, n=n, mean=mean, scatter=scatter, description=described)
        )
        return
    write_file(path, lambda file: np.savez(file, mu=found.mean, sigma=found.covariance))


def read_statistics(path: str | os.PathLike) -> Statistics:
    """Reads statistics in any form that `save_statistics` writes; runs no code from the file.

    Raises:
      InputError: missing, damaged, of another form, or no mean and covariance.
    """
    name = os.fspath(path)
    if not Path(name).is_file():
        raise InputError(f"{name} does not exist; give a .npz or .pkl file of statistics.")
    if name.lower().endswith(".pkl"):
        moments, covariance, mean = stylegan.unpacked(name)
        if moments is None:
            return _checked(Statistics(None, mean, covariance, source=name))
        return _checked(Statistics.of_moments(moments, source=name))
    arrays = read_arrays(name)
    if {"mu", "sigma"} <= set(arrays):
        return _checked(Statistics(None, arrays["mu"], arrays["sigma"], source=name))
    if not {"n", "mean", "scatter", "description"} <= set(arrays):
        raise InputError(
            f"{name} holds {', '.join(arrays) or 'no arrays'}; statistics are n, mean, scatter and "
            "description, or mu and sigma."
        )
    described = description(arrays, name)
    n = int(arrays["n"])
    if n < 2:
        raise InputError(f"{name} is of n={n} images; a covariance needs 2: write it anew.")
    scatter = np.asarray(arrays["scatter"], np.float64)
    return _checked(Statistics(n, arrays["mean"], scatter / (n - 1), source=name, **described))


def read_arrays(path: str) -> dict[str, np.ndarray]:
    """The arrays of a .npz file; never unpickles.

    Raises:
      InputError: it is damaged, or holds Python objects.
    """
    try:
        with np.load(path, allow_pickle=False) as loaded:
            return {key: loaded[key] for key in loaded.files}
    except (ValueError, OSError, EOFError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path} is damaged ({reason}); write it anew.") from None


def description(arrays: Mapping[str, np.ndarray], path: str) -> dict[str, Any]:
    """Which features a file of this package holds: name, sha256, settings and images.

    Raises:
      InputError: it does not say, or is of a newer format.
    """
    try:
        told = json.loads(str(arrays["description"]))
        if told["format"] > FORMAT:
            raise ValueError(f"format {told['format']}, this version reads {FORMAT}")
        return {key: told[key] for key in ("name", "sha256", "settings", "images")}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged (description: {error}); write it anew.") from None


def write_file(path: str | os.PathLike, write: Callable[[IO[bytes]], Any]) -> None:
    """Calls write(file) on a temporary file, which becomes `path` when all is written.

    Raises:
      InputError: the directory is missing or cannot be written, or the disk is full.
    """
    try:
        with atomic_write(path) as file:
            write(file)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"{os.fspath(path)} cannot be written ({reason}); choose another place."
        ) from None


def _described(of: Features | Statistics) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "name": of.name,
        "sha256": of.sha256,
        "settings": dict(of.settings),
        "images": of.images,
    }


def _checked(found: Statistics) -> Statistics:
    """The same in float64, once its arrays are a mean and a covariance."""
    mean, covariance = np.asarray(found.mean), np.asarray(found.covariance)
    real = mean.dtype.kind in "fiu" and covariance.dtype.kind in "fiu"
    if not real or mean.ndim != 1 or covariance.shape != (len(mean), len(mean)) or not len(mean):
        raise InputError(
            f"{found.source} holds a mean of shape {mean.shape} and a covariance of shape "
            f"{covariance.shape}; they must be numbers, (d,) and (d, d)."
        )
    mean, covariance = mean.astype(np.float64), covariance.astype(np.float64)
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise InputError(f"{found.source} holds numbers that are not finite; write it anew.")
    if np.abs(covariance - covariance.T).max() > SYMMETRIC * np.abs(covariance).max():
        raise InputError(f"{found.source} holds a covariance that is not symmetric; write it anew.")
    return dataclasses.replace(found, mean=mean, covariance=covariance)
