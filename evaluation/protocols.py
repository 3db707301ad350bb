"""Named settings: what `measure(protocol=...)` changes in the metrics' own defaults.

Each protocol maps the metrics it defines to their settings. `default` is every metric as its own
file has it. The others repeat what a published program computes, so that numbers can be compared
with those already printed; where such a number has no valid interval, the estimate has none.

  ttur            Heusel et al. 2017: plain FID; Inception Score over 10 chunks in file order.
  torch-fidelity  torch-fidelity 0.4: plain FID with float32 means; KID over 100 subsets of 1000;
                  Inception Score over 10 shuffled chunks; precision and recall with k = 3, closed.
  pytorch-fid     pytorch-fid 0.3: plain FID.
  clean-fid       clean-fid 0.1: plain FID with float32 means.
  stylegan3       StyleGAN3's metrics: plain FID with covariances divided by n.
  tf-gan          TensorFlow-GAN 2.1: plain FID; Inception Score over all rows at once.
  prdc            Naeem et al. 2020: precision, recall, density, coverage with k = 5, open balls.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from evaluation import metrics
from evaluation.errors import InputError

Settings = Mapping[str, Any]
_PRDC: Settings = {"k": 5, "closed": False}
_CLOSED_3: Settings = {"k": 3, "closed": True}

PROTOCOLS: Mapping[str, Mapping[str, Settings] | None] = MappingProxyType(
    {
        "default": None,
        "ttur": {
            "fid": {"estimator": "plain", "float32_mean": False},
            "inception_score": {"estimator": "splits", "splits": 10, "shuffle_seed": None},
        },
        "torch-fidelity": {
            "fid": {"estimator": "plain", "float32_mean": True},
            "kid": {"estimator": "subsets", "subsets": 100, "subset_size": 1000, "rng_seed": 2020},
            "inception_score": {"estimator": "splits", "splits": 10, "shuffle_seed": 2020},
            "precision": _CLOSED_3,
            "recall": _CLOSED_3,
        },
        "pytorch-fid": {"fid": {"estimator": "plain"}},
        "clean-fid": {"fid": {"estimator": "plain", "float32_mean": True}},
        "stylegan3": {"fid": {"estimator": "plain", "ddof": 0}},
        "tf-gan": {
            "fid": {"estimator": "plain"},
            "inception_score": {"estimator": "splits", "splits": 1, "shuffle_seed": None},
        },
        "prdc": {"precision": _PRDC, "recall": _PRDC, "density": _PRDC, "coverage": _PRDC},
    }
)


def names() -> tuple[str, ...]:
    """The names of all protocols."""
    return tuple(PROTOCOLS)


def defined(protocol: str) -> tuple[str, ...]:
    """The metrics that a protocol defines.

    Raises:
      InputError: no such protocol; the line names the nearest.
    """
    if not isinstance(protocol, str) or protocol not in PROTOCOLS:
        raise InputError(metrics.unknown("protocol", protocol, PROTOCOLS))
    chosen = PROTOCOLS[protocol]
    return metrics.names() if chosen is None else tuple(chosen)


def settings(protocol: str, metric: str) -> dict[str, Any]:
    """What `protocol` sets for `metric`, on top of the metric's own defaults.

    Raises:
      InputError: no such protocol, or it does not define this metric; the line says which do.
    """
    if metric not in defined(protocol):
        able = ", ".join(name for name in PROTOCOLS if metric in defined(name))
        raise InputError(
            f"protocol {protocol!r} does not define metric {metric!r}: use protocol {able},"
            f" or with {protocol!r} one of {', '.join(defined(protocol))}"
        )
    chosen = PROTOCOLS[protocol]
    return {} if chosen is None else dict(chosen[metric])
