"""The two environments of tools/tpu_check: each needs a libtpu of its own."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOWERING = ROOT / ".venv-tpu-lower"
COMPILING = ROOT / ".venv-tpu-compile"
TENSORFLOW = ("tensorflow-tpu==2.20.0", "libtpu==0.0.17", "keras==3.15.1")
OF_GANTF = ("cloudpickle", "decorator", "dm-tree", "pydantic", "click", "pyyaml", "setuptools")
WITHOUT_TENSORFLOW = (  # they ask for the package tensorflow, which must not lie beside -tpu
    "tensorflow-gan==2.1.0",
    "tensorflow-hub==0.16.1",
    "tensorflow-probability==0.25.0",
    "tf_keras==2.21.0",
)
JAX = ("jax[tpu]==0.10.2",)


def make() -> None:
    """Makes what is not there yet."""
    _make(LOWERING, (*TENSORFLOW, *OF_GANTF), WITHOUT_TENSORFLOW)
    _make(COMPILING, JAX)


def _make(folder: Path, packages: tuple[str, ...], alone: tuple[str, ...] = ()) -> None:
    wanted = "\n".join((*packages, *alone)) + "\n"
    made = folder / "made"  # written last: an interrupted installation is begun anew
    if made.is_file() and made.read_text() == wanted:
        return
    print(f"making {folder.name}", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    for given in (packages, ("--no-deps", *alone) if alone else ()):
        if given:
            pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet"]
            subprocess.run([*pip, "--disable-pip-version-check", *given], check=True)
    made.write_text(wanted)
