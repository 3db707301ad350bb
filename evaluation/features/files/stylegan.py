"""Reads and writes the StyleGAN programs' pickles of feature statistics, without running code.

StyleGAN2-ADA and 3 pickle a dictionary: num_items, and the sums raw_mean of x and raw_cov of x x^T
in float64. The older TensorFlow programs pickle the pair (mean, covariance). A dictionary of mu and
sigma is read too. The pickle may name NumPy arrays, dtypes and numbers only.
"""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.distances.moments import Moments
from evaluation.errors import InputError


def to_pickle(moments: Moments) -> bytes:
    """Returns a pickle that StyleGAN3's FeatureStats can load."""
    mean, d = moments.mean, len(moments.mean)
    content = {
        "capture_all": False,
        "capture_mean_cov": True,
        "max_items": int(moments.n),
        "num_items": int(moments.n),
        "num_features": d,
        "all_features": None,
        "raw_mean": mean * moments.n,
        "raw_cov": moments.scatter + np.outer(mean, mean) * moments.n,
    }
    return pickle.dumps(content, protocol=4)


def read(path: str) -> tuple[Moments | None, np.ndarray, np.ndarray]:
    """Reads a pickle of statistics.

    Returns:
      The moments, or None if the file does not record n; the covariance; the mean.

    Raises:
      InputError: the file is damaged, names anything but arrays, or does not hold statistics.
    """
    try:
        content = _Arrays(io.BytesIO(Path(path).read_bytes())).load()
    except InputError as error:
        raise InputError(f"{path} {error}") from None
    except Exception as error:  # a damaged pickle raises nearly anything
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path} is damaged ({reason[:200]}); write it again.") from None
    if isinstance(content, tuple | list) and len(content) == 2:
        return None, np.asarray(content[1]), np.asarray(content[0])
    if isinstance(content, dict) and {"mu", "sigma"} <= set(content):
        return None, np.asarray(content["sigma"]), np.asarray(content["mu"])
    if isinstance(content, dict) and {"num_items", "raw_mean", "raw_cov"} <= set(content):
        moments = _from_sums(content, path)
        return moments, moments.covariance(1), moments.mean
    keys = ", ".join(map(str, content)) if isinstance(content, dict) else type(content).__name__
    raise InputError(
        f"{path} holds {keys[:200]}; statistics are num_items, raw_mean and raw_cov, or a mean and "
        "a covariance."
    )


def _from_sums(content: dict[str, Any], path: str) -> Moments:
    """Computes moments from raw sums."""
    n, total, squares = content["num_items"], content["raw_mean"], content["raw_cov"]
    if total is None or squares is None:
        raise InputError(
            f"{path} holds features but no mean and covariance; save the features with "
            "numpy.savez(PATH, features=...)."
        )
    total, squares = np.asarray(total, np.float64), np.asarray(squares, np.float64)
    if not isinstance(n, int | np.integer) or n < 2 or squares.shape != total.shape * 2:
        raise InputError(
            f"{path} holds num_items={n!r}, raw_mean {total.shape}, raw_cov {squares.shape}; "
            "they must be 2 or more, (d,) and (d, d)."
        )
    mean = total / int(n)
    return Moments(int(n), mean, squares - np.outer(mean, total))


class _Arrays(pickle.Unpickler):
    """Unpickles NumPy arrays and Python's built-in containers and numbers only."""

    def find_class(self, module: str, name: str) -> Any:
        """Returns one of the few objects that an array's pickle needs; refuses any other."""
        home = module.replace("numpy._core", "numpy.core")
        if (home, name) == ("numpy", "ndarray"):
            return np.ndarray
        if (home, name) == ("numpy", "dtype"):
            return np.dtype
        if (home, name) in _FUNCTIONS:
            return _FUNCTIONS[home, name]
        raise InputError(
            f"names {module}.{name}, but only arrays are read: a pickle can run any program; load "
            "it where you trust it, and save mu and sigma with numpy.savez."
        )


def _reconstruct(kind: type, shape: tuple, code: bytes) -> np.ndarray:
    """Returns an empty array; the pickle sets its content next."""
    if kind is not np.ndarray:
        raise InputError(f"names {kind!r}, but only arrays are read; save them with numpy.savez.")
    return np.ndarray.__new__(np.ndarray, (0,), "b")


def _from_buffer(buffer: bytes, dtype: np.dtype, shape: tuple, order: str) -> np.ndarray:
    """Returns an array from its bytes."""
    return np.frombuffer(buffer, dtype).reshape(shape, order=order)  # type: ignore[call-overload]


def _scalar(dtype: np.dtype, content: bytes) -> Any:
    """Returns a number from its bytes."""
    return np.frombuffer(content, dtype, 1)[0]


def _encode(text: str, encoding: str) -> bytes:
    """Returns the bytes that older pickles store as text."""
    return text.encode("latin1" if encoding != "ascii" else "ascii")


_FUNCTIONS = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("_codecs", "encode"): _encode,
}
