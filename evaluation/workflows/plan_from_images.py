"""`plan_from_images`: plans a sample size from the images of a pilot."""

import os
from typing import Any

from evaluation.features.options import FeatureOptions
from evaluation.inference.planning import Plan, plan
from evaluation.runtime.progress import Progress, prefixed, shown
from evaluation.sources import Source
from evaluation.sources.image_options import ImageOptions
from evaluation.sources.options import GeneratorOptions
from evaluation.workflows.evaluate import check_settings
from evaluation.workflows.extraction import Extraction
from evaluation.workflows.image_sets import gather
from evaluation.workflows.options import bind_options


def plan_from_images(
    pilot: Source,
    reference: Source | None = None,
    *,
    metric: str = "kid",
    effect: float | None = None,
    rows: int | None = None,
    power: float = 0.8,
    question: str = "difference",
    other: Source | None = None,
    features: str | os.PathLike | FeatureOptions | None = None,
    n: int | None = None,
    seed: int = 0,
    level: float = 0.95,
    images: ImageOptions | None = None,
    options: GeneratorOptions | None = None,
    progress: Progress | bool | None = None,
    **keywords: Any,
) -> Plan:
    """Computes the features of pilots, and calls `evaluation.plan` with them.

    Args:
      pilot: a generator or a set of images.
      reference: the real images; None for the data that the generator names.
      metric: "kid" or "fid".
      effect: the difference that the experiment must detect. Give this or `rows`.
      rows: images per sample of the experiment; the argument `n` of `evaluation.plan`.
      power: probability of detecting the difference.
      question: "difference" (between two generators) or "equality" (with the reference).
      other: a pilot of the second generator.
      features: a name or `FeatureOptions`.
      n: images of each pilot.
      seed: seed of the latents.
      level: 1 - level is the probability of a false positive.
      images: size of the images, and treatment of corrupt files.
      options: options of the generators.
      progress: True for a progress bar, or a function of (stage, done, total).
      **keywords: fields of `FeatureOptions` and `ImageOptions`.

    Raises:
      InputError: see `evaluation.evaluate` and `evaluation.plan`.
    """
    feature_options, image_options = bind_options(plan_from_images, features, images, keywords)
    extraction = Extraction(feature_options)
    settings = {"protocol": "default", "level": level, "seed": seed}
    check_settings((metric,), feature_options, settings, n, options)
    pilots = []
    with shown(progress) as show:
        for name, source in (("pilot", pilot), ("other", other)):
            if source is None:
                continue
            tell = prefixed(show, name)
            sets = gather(source, reference, n, seed, image_options, tell, options, extraction.memo)
            extraction = extraction.with_default_features(sets.real)
            real = extraction.features_of(sets.real, tell, keep=True).features
            pilots.append(extraction.features_of(sets.fake, tell).features)
    second = pilots[1] if len(pilots) > 1 else None
    return plan(metric, real, pilots[0], effect, rows, power, level, question, second, seed)
