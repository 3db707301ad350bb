"""Reads and writes files of mean and covariance, of this package and of other programs.

    form            file    content
    "gantf"         .npz    n, mean, scatter (float64), and the description of the features
    "pytorch-fid"   .npz    mu, sigma (divided by n - 1), as in clean-fid, ADM and EDM
    "clean-fid"     .npz    the same
    "stylegan3"     .pkl    StyleGAN2-ADA and 3: n and the raw sums; see stylegan.py

Files of other programs do not record which features they hold; those of mu and sigma do not record
the number of images either. They serve the plain FID only, without bias correction.
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
from evaluation.features.files import stylegan as stylegan_files
from evaluation.runtime.files import atomic_write

FORMS = {"gantf": ".npz", "pytorch-fid": ".npz", "clean-fid": ".npz", "stylegan3": ".pkl"}
FORMAT = 1
ASYMMETRY = 1e-6  # largest allowed difference, relative to the largest entry


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Mean and covariance of a set of images' features.

    Attributes:
      n: number of images; None if the file does not record it.
      mean: float64, shape (d,).
      covariance: the scatter divided by n - 1, float64, shape (d, d).
      name: name of the features, as in `Features`; empty if the file does not record it.
      sha256: hash of the features' network, as in `Features`; empty if not recorded.
      settings: settings of the features, as in `Features`; empty if not recorded.
      images: hash of the images, as in `Features`; None if not recorded.
      source: path of the file; empty if the statistics are not from a file.
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
    def from_moments(cls, moments: Moments, **fields: Any) -> "Statistics":
        """Makes statistics from moments; `fields` are the other fields."""
        return cls(moments.n, moments.mean, moments.covariance(1), **fields)

    def moments(self) -> Moments:
        """Returns n, mean and scatter, which can be merged with other moments.

        Raises:
          InputError: `n` is None.
        """
        if self.n is None:
            raise InputError(
                f"{self.source or 'statistics'} does not record the number of images; it cannot be "
                "merged, or written in a form that needs this number."
            )
        return Moments(self.n, self.mean, self.covariance * (self.n - 1))

    @property
    def content_sha256(self) -> str:
        """Returns a hash of n, mean and covariance."""
        digest = hashlib.sha256(str(self.n).encode())
        for array in (self.mean, self.covariance):
            digest.update(np.ascontiguousarray(array, np.float64).tobytes())
        return digest.hexdigest()


def statistics_of(features: Features, source: str = "") -> Statistics:
    """Returns the mean and covariance of features of shape (n, d), n >= 2.

    Raises:
      InputError: there are fewer than two rows.
    """
    if len(features.features) < 2:
        raise InputError(
            f"features has {len(features.features)} rows; a covariance needs 2 or more."
        )
    return Statistics.from_moments(
        Moments.from_rows(features.features),
        name=features.name,
        sha256=features.sha256,
        settings=dict(features.settings),
        images=features.images,
        source=source,
    )


def save_statistics(
    features: Features | Statistics, path: str | os.PathLike, form: str = "gantf"
) -> None:
    """Writes mean and covariance to a file, atomically.

    Args:
      features: the result of `extract`, or statistics.
      path: path of the file, with the suffix .npz; for "stylegan3" .pkl.
      form: see the top of this file.

    Raises:
      InputError: an unknown form, a wrong suffix or type, too few rows, an unknown number of images
        for a form that needs it, or a file that cannot be written.
    """
    validation.check_choice("form", form, FORMS)
    if Path(path).suffix.lower() != FORMS[form]:
        raise InputError(f"path={os.fspath(path)!r}: files of form {form!r} end in {FORMS[form]}.")
    if not isinstance(features, Features | Statistics):
        raise InputError(
            f"features is {type(features).__name__}; give the result of evaluation.extract."
        )
    statistics = features if isinstance(features, Statistics) else statistics_of(features)
    if form == "stylegan3":
        content = stylegan_files.to_pickle(statistics.moments())
        write_file(path, lambda file: file.write(content))
        return
    if form == "gantf":
        moments = statistics.moments()
        text = json.dumps(_describe(statistics), sort_keys=True)
        n, mean, scatter = np.int64(moments.n), moments.mean, moments.scatter
        write_file(path, lambda f: np.savez(f, n=n, mean=mean, scatter=scatter, description=text))
        return
    write_file(path, lambda file: np.savez(file, mu=statistics.mean, sigma=statistics.covariance))


def read_statistics(path: str | os.PathLike) -> Statistics:
    """Reads statistics in any form that `save_statistics` writes; runs no code from the file.

    Raises:
      InputError: the file is missing or damaged, or holds no mean and covariance.
    """
    name = os.fspath(path)
    if not Path(name).is_file():
        raise InputError(f"{name} does not exist; give a .npz or .pkl file of statistics.")
    if name.lower().endswith(".pkl"):
        moments, covariance, mean = stylegan_files.read(name)
        if moments is None:
            return _checked(Statistics(None, mean, covariance, source=name))
        return _checked(Statistics.from_moments(moments, source=name))
    arrays = read_arrays(name)
    if {"mu", "sigma"} <= set(arrays):
        return _checked(Statistics(None, arrays["mu"], arrays["sigma"], source=name))
    if not {"n", "mean", "scatter", "description"} <= set(arrays):
        raise InputError(
            f"{name} holds {', '.join(arrays) or 'no arrays'}; statistics are n, mean, scatter and "
            "description, or mu and sigma."
        )
    fields = description(arrays, name)
    n = int(arrays["n"])
    if n < 2:
        raise InputError(f"{name} has n={n} images; a covariance needs 2: write it again.")
    scatter = np.asarray(arrays["scatter"], np.float64)
    return _checked(Statistics(n, arrays["mean"], scatter / (n - 1), source=name, **fields))


def read_arrays(path: str) -> dict[str, np.ndarray]:
    """Reads the arrays of a .npz file; never unpickles.

    Raises:
      InputError: the file is damaged, or holds Python objects.
    """
    try:
        with np.load(path, allow_pickle=False) as loaded:
            return {key: loaded[key] for key in loaded.files}
    except (ValueError, OSError, EOFError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path} is damaged ({reason}); write it again.") from None


def description(arrays: Mapping[str, np.ndarray], path: str) -> dict[str, Any]:
    """Returns the features' name, sha256, settings and images from a file of this package.

    Raises:
      InputError: the description is missing or damaged, or has a newer format.
    """
    try:
        content = json.loads(str(arrays["description"]))
        if content["format"] > FORMAT:
            raise ValueError(f"format {content['format']}, this version reads {FORMAT}")
        return {key: content[key] for key in ("name", "sha256", "settings", "images")}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged (description: {error}); write it again.") from None


def write_file(path: str | os.PathLike, write: Callable[[IO[bytes]], Any]) -> None:
    """Calls write(file) on a temporary file, then renames the file to `path`.

    Raises:
      InputError: the directory is missing or cannot be written, or the disk is full.
    """
    try:
        with atomic_write(path) as file:
            write(file)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"{os.fspath(path)} cannot be written ({reason}); choose another path."
        ) from None


def _describe(statistics: Statistics) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "name": statistics.name,
        "sha256": statistics.sha256,
        "settings": dict(statistics.settings),
        "images": statistics.images,
    }


def _checked(statistics: Statistics) -> Statistics:
    """Checks that the arrays are a mean and a covariance; returns them in float64."""
    source = statistics.source
    mean, covariance = np.asarray(statistics.mean), np.asarray(statistics.covariance)
    real = mean.dtype.kind in "fiu" and covariance.dtype.kind in "fiu"
    if not real or mean.ndim != 1 or covariance.shape != (len(mean), len(mean)) or not len(mean):
        raise InputError(
            f"{source} holds a mean of shape {mean.shape} and a covariance of shape "
            f"{covariance.shape}; they must be numbers, (d,) and (d, d)."
        )
    mean, covariance = mean.astype(np.float64), covariance.astype(np.float64)
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise InputError(f"{source} holds numbers that are not finite; write it again.")
    if np.abs(covariance - covariance.T).max() > ASYMMETRY * np.abs(covariance).max():
        raise InputError(f"{source} holds a covariance that is not symmetric; write it again.")
    return dataclasses.replace(statistics, mean=mean, covariance=covariance)
