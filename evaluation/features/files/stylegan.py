"""Feature statistics as the StyleGAN programs keep them: pickles, read without running them.

StyleGAN2-ADA and 3 pickle a dictionary: num_items, and the sums raw_mean of x and raw_cov of x x^T
in float64. The older TensorFlow programs pickle the pair (mean, covariance); a dictionary of mu and
sigma is read too. Of what a pickle may name only NumPy's arrays, dtypes and numbers are allowed.
"""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.distances.moments import Moments
from evaluation.errors import InputError


def packed(moments: Moments) -> bytes:
    """The pickle that StyleGAN3's FeatureStats loads."""
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


def unpacked(path: str) -> tuple[Moments | None, np.ndarray, np.ndarray]:
    """What such a pickle holds.

    Returns:
      The moments, None where n is not known; the covariance; the mean.

    Raises:
      InputError: it is damaged, names anything but arrays, or holds something else.
    """
    try:
        content = _Arrays(io.BytesIO(Path(path).read_bytes())).load()
    except InputError as error:
        raise InputError(f"{path} {error}") from None
    except Exception as error:  # a damaged pickle raises nearly anything
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path} is damaged ({reason[:200]}); write it anew.") from None
    if isinstance(content, tuple | list) and len(content) == 2:
        return None, np.asarray(content[1]), np.asarray(content[0])
    if isinstance(content, dict) and {"mu", "sigma"} <= set(content):
        return None, np.asarray(content["sigma"]), np.asarray(content["mu"])
    if isinstance(content, dict) and {"num_items", "raw_mean", "raw_cov"} <= set(content):
        moments = _of_sums(content, path)
        return moments, moments.covariance(1), moments.mean
    held = ", ".join(map(str, content)) if isinstance(content, dict) else type(content).__name__
    raise InputError(
        f"{path} holds {held[:200]}; statistics are num_items, raw_mean and raw_cov, or a mean and "
        "a covariance."
    )


def _of_sums(content: dict[str, Any], path: str) -> Moments:
    """Moments of raw sums."""
    n, total, squares = content["num_items"], content["raw_mean"], content["raw_cov"]
    if total is None or squares is None:
        raise InputError(
            f"{path} holds features but no mean and covariance; save these as an array instead."
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
    """Unpickles NumPy's arrays and what Python has without imports."""

    def find_class(self, module: str, name: str) -> Any:
        """One of the few names that an array's pickle needs; any other is refused."""
        home = module.replace("numpy._core", "numpy.core")
        if (home, name) == ("numpy", "ndarray"):
            return np.ndarray
        if (home, name) == ("numpy", "dtype"):
            return np.dtype
        if (home, name) in _FUNCTIONS:
            return _FUNCTIONS[home, name]
        raise InputError(
            f"names {module}.{name}, and only arrays are read: a pickle can run any program; load "
            "it where you trust it, and save mu and sigma with numpy.savez."
        )


def _reconstructed(kind: type, shape: tuple, code: bytes) -> np.ndarray:
    """An empty array, whose content the pickle sets next."""
    if kind is not np.ndarray:
        raise InputError(f"names {kind!r}, and only arrays are read; save them with numpy.savez.")
    return np.ndarray.__new__(np.ndarray, (0,), "b")


def _from_buffer(buffer: bytes, dtype: np.dtype, shape: tuple, order: str) -> np.ndarray:
    """An array of numbers from its bytes."""
    return np.frombuffer(buffer, dtype).reshape(shape, order=order)  # type: ignore[call-overload]


def _scalar(dtype: np.dtype, content: bytes) -> Any:
    """A number from its bytes."""
    return np.frombuffer(content, dtype, 1)[0]


def _encoded(text: str, encoding: str) -> bytes:
    """The bytes that older pickles keep as text."""
    return text.encode("latin1" if encoding != "ascii" else "ascii")


_FUNCTIONS = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstructed,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("_codecs", "encode"): _encoded,
}
