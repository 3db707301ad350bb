"""Helpers of the benchmarks: features, environments of other programs, and processes."""

import importlib.metadata
import json
import subprocess
import venv
from pathlib import Path

import numpy as np


def save(folder: Path, rows: int, width: int) -> list[str]:
    """Writes real and generated features to files, block by block."""
    mixing = np.random.default_rng(0).standard_normal((64, width), dtype=np.float32) / 8
    files = []
    for seed, scale in ((1, 1.0), (2, 0.95)):
        rng = np.random.default_rng(seed)
        file = str(folder / f"{seed}.npy")
        out = np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=(rows, width))
        for start in range(0, rows, 1000):
            count = min(1000, rows - start)
            inner = scale * rng.standard_normal((count, 64), dtype=np.float32)
            noise = 0.5 * rng.standard_normal((count, width), dtype=np.float32)
            out[start : start + count] = np.maximum(inner @ mixing + noise, 0.0)
        files.append(file)
    return files


def peer(folder: Path, packages: tuple[str, ...], beside: tuple[str, ...]) -> str:
    """Makes an environment with `packages` and our versions of `beside`; returns its python."""
    venv.create(folder, with_pip=True)
    python = str(folder / "bin" / "python")
    same = [f"{name}=={importlib.metadata.version(name)}" for name in beside]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *packages, *same], check=True)
    return python


def last_line(command: list[str]) -> dict:
    """Runs a command; returns the JSON in its last line of output."""
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.strip().splitlines()[-1])
