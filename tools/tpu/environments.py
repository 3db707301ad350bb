"""The two environments of tools/tpu_check: they need different versions of libtpu."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOWERING = ROOT / ".venv-tpu-lower"
COMPILING = ROOT / ".venv-tpu-compile"
TENSORFLOW = ("tensorflow-tpu==2.20.0", "libtpu==0.0.17", "keras==3.15.1")
GANTF_NEEDS = ("cloudpickle", "decorator", "dm-tree", "pydantic", "click", "pyyaml", "setuptools")
WITHOUT_TENSORFLOW = (  # they require tensorflow, which must not be installed beside tensorflow-tpu
    "tensorflow-gan==2.1.0",
    "tensorflow-hub==0.16.1",
    "tensorflow-probability==0.25.0",
    "tf_keras==2.21.0",
)
JAX = ("jax[tpu]==0.10.2",)


def make() -> None:
    """Makes the environments that do not exist yet."""
    _make(LOWERING, (*TENSORFLOW, *GANTF_NEEDS), WITHOUT_TENSORFLOW)
    _make(COMPILING, JAX)


def _make(folder: Path, packages: tuple[str, ...], alone: tuple[str, ...] = ()) -> None:
    wanted = "\n".join((*packages, *alone)) + "\n"
    made = folder / "made"  # written last: an interrupted installation starts again
    if made.is_file() and made.read_text() == wanted:
        return
    print(f"making {folder.name}", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    for arguments in (packages, ("--no-deps", *alone) if alone else ()):
        if arguments:
            pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet"]
            subprocess.run([*pip, "--disable-pip-version-check", *arguments], check=True)
    made.write_text(wanted)
