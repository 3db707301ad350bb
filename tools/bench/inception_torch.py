"""Runs torch-fidelity's Inception for tools/bench/inception, in a separate environment.

    python inception_torch.py WEIGHTS.npz IMAGES.npy FEATURES.npy

Writes the images' features once. Then it reads a number of passes per line and writes seconds.
"""

import importlib.util
import os
import sys
import tempfile
import time
import types

import numpy as np
import torch


def extractor_class():
    """Returns the network's class; skips the package's __init__, which imports torchvision."""
    package = types.ModuleType("torch_fidelity")
    package.__path__ = list(importlib.util.find_spec("torch_fidelity").submodule_search_locations)
    sys.modules["torch_fidelity"] = package
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    return FeatureExtractorInceptionV3


def main(weights: str, images: str, features: str) -> None:
    """Reads lines of passes and writes seconds."""
    with np.load(weights) as arrays, tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "weights.pth")
        torch.save({name: torch.from_numpy(arrays[name]) for name in arrays}, path)
        network = extractor_class()("network", ["2048"], feature_extractor_weights_path=path)
    batch = torch.from_numpy(np.load(images).transpose(0, 3, 1, 2).copy())
    with torch.no_grad():
        np.save(features, network(batch)[0].numpy())
        print("ready", flush=True)
        for line in sys.stdin:
            started = time.perf_counter()
            for _ in range(int(line)):
                network(batch)[0].numpy()
            print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
