"""Protocols: named settings that reproduce the numbers of published programs.

Each protocol maps the metrics that it defines to their settings. `default` keeps the defaults of
every metric. The other protocols compute the same numbers from features and logits as a published
program, so that they can be compared with published numbers. If such a number has no valid
interval, the estimate has none. A protocol does not set the network or the resizing of images.

  ttur            Heusel et al. 2017: plain FID; Inception Score over 10 chunks in file order.
                  That program leaves out an incomplete last batch; here its rows count.
  torch-fidelity  torch-fidelity 0.4: plain FID with float32 means; KID over 100 subsets of 1000;
                  Inception Score over 10 shuffled chunks; precision and recall with k = 3, closed.
                  Its random streams are reproduced, at its default seed.
  pytorch-fid     pytorch-fid 0.3: plain FID.
  clean-fid       clean-fid 0.1: plain FID with float32 means; KID over 100 subsets of min(n, m)
                  rows, at most 1000, drawn as if `numpy.random.seed(2020)` came first. That program
                  sets no seed: its KID uses other random subsets.
  adm             the evaluator of OpenAI's guided-diffusion: plain FID and sFID with float32 means;
                  Inception Score over chunks of 5000 in file order; precision and recall with
                  k = 3, closed, by squared distances whose terms are rounded to float16. The
                  summation order of its GPU is not reproduced: rows on the surface of a ball may
                  differ.
  stylegan3       StyleGAN3's metrics: plain FID with covariances divided by n; KID as clean-fid;
                  Inception Score over 10 chunks in file order; precision and recall with k = 3,
                  closed, by distances rounded to float16; as for adm, the summation order is not
                  reproduced.
  tf-gan          TensorFlow-GAN 2.1: plain FID; KID over blocks of at most 1024 rows, in file
                  order; Inception Score over all rows at once.
  torchmetrics    torchmetrics 1: plain FID; KID over 100 subsets of 1000; Inception Score over 10
                  shuffled chunks. That program draws subsets and shuffles from torch's global
                  random stream, this one from NumPy's: KID and Inception Score use other random
                  draws. Its chunks, except the last, have ceil(n / 10) rows; here the sizes differ
                  by at most one. It prints float32.
  prdc            Naeem et al. 2020: precision, recall, density, coverage with k = 5, open balls.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from evaluation import metrics as all_metrics
from evaluation.errors import InputError

Settings = dict[str, Any]
_PRDC: Settings = {"k": 5, "closed": False}
_CLOSED_3: Settings = {"k": 3, "closed": True}
_ADM_BALLS: Settings = _CLOSED_3 | {"distances": "float16"}
_STYLEGAN_BALLS: Settings = _CLOSED_3 | {"distances": "float16-root"}
_SUBSETS: Settings = {
    "estimator": "subsets",
    "subsets": 100,
    "subset_size": 1000,
    "rng_seed": 2020,
}
_SUBSETS_AT_MOST: Settings = _SUBSETS | {"at_most": True}
_IN_ORDER_10: Settings = {"estimator": "splits", "splits": 10, "shuffle_seed": None}
_SHUFFLED_10: Settings = _IN_ORDER_10 | {"shuffle_seed": 2020}

PROTOCOLS: Mapping[str, Mapping[str, Settings] | None] = MappingProxyType(
    {
        "default": None,
        "ttur": {
            "fid": {"estimator": "plain", "float32_mean": False},
            "inception_score": _IN_ORDER_10,
        },
        "torch-fidelity": {
            "fid": {"estimator": "plain", "float32_mean": True},
            "kid": _SUBSETS,
            "inception_score": _SHUFFLED_10,
            "precision": _CLOSED_3,
            "recall": _CLOSED_3,
        },
        "pytorch-fid": {"fid": {"estimator": "plain"}},
        "clean-fid": {
            "fid": {"estimator": "plain", "float32_mean": True},
            "kid": _SUBSETS_AT_MOST,
        },
        "adm": {
            "fid": {"estimator": "plain", "float32_mean": True},
            "sfid": {"estimator": "plain", "float32_mean": True},
            "inception_score": {"estimator": "splits", "split_rows": 5000, "shuffle_seed": None},
            "precision": _ADM_BALLS,
            "recall": _ADM_BALLS,
        },
        "stylegan3": {
            "fid": {"estimator": "plain", "ddof": 0},
            "kid": _SUBSETS_AT_MOST,
            "inception_score": _IN_ORDER_10,
            "precision": _STYLEGAN_BALLS,
            "recall": _STYLEGAN_BALLS,
        },
        "tf-gan": {
            "fid": {"estimator": "plain"},
            "kid": {"estimator": "blocks", "block_size": 1024},
            "inception_score": {"estimator": "splits", "splits": 1, "shuffle_seed": None},
        },
        "torchmetrics": {
            "fid": {"estimator": "plain"},
            "kid": _SUBSETS,
            "inception_score": _SHUFFLED_10,
        },
        "prdc": {"precision": _PRDC, "recall": _PRDC, "density": _PRDC, "coverage": _PRDC},
    }
)


def names() -> tuple[str, ...]:
    """Returns the names of all protocols."""
    return tuple(PROTOCOLS)


def defined(protocol: str) -> tuple[str, ...]:
    """Returns the metrics that a protocol defines.

    Raises:
      InputError: no such protocol; the message suggests a name.
    """
    if not isinstance(protocol, str) or protocol not in PROTOCOLS:
        raise InputError(all_metrics.unknown("protocol", protocol, PROTOCOLS))
    chosen = PROTOCOLS[protocol]
    return all_metrics.names() if chosen is None else tuple(chosen)


def settings(protocol: str, metric: str) -> dict[str, Any]:
    """Returns the settings of `metric` that `protocol` changes from the metric's defaults.

    Raises:
      InputError: no such protocol, or it does not define this metric; the message says which do.
    """
    if metric not in defined(protocol):
        defining = ", ".join(name for name in PROTOCOLS if metric in defined(name))
        raise InputError(
            f"protocol {protocol!r} does not define metric {metric!r}: use protocol {defining},"
            f" or with {protocol!r} one of {', '.join(defined(protocol))}"
        )
    chosen = PROTOCOLS[protocol]
    return {} if chosen is None else dict(chosen[metric])


def check_metrics(metrics: Any, protocol: Any) -> tuple[str, ...]:
    """Returns the names of the metrics without repeats, after checking them.

    Raises:
      InputError: no names, an unknown name, or a metric that the protocol does not define.
    """
    from evaluation.core import validation  # imports NumPy, which `gantf-eval --help` does not need

    chosen = tuple(metrics) if validation.is_listing(metrics) else (metrics,)
    if not all(isinstance(name, str) for name in chosen):
        raise InputError(
            f"metrics={validation.shown(metrics)}; it must be names, such as ['fid', 'kid']"
        )
    if not chosen:
        raise InputError(f"metrics is empty: choose from {', '.join(defined(protocol))}")
    for name in chosen:
        all_metrics.load(name)
        settings(protocol, name)
    return tuple(dict.fromkeys(str(name) for name in chosen))
