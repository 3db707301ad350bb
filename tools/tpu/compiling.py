"""Compiles a StableHLO program with the TPU compiler, without a TPU.

    python tools/tpu/compiling.py PROGRAM.mlir TOPOLOGY OUT

Writes OUT.json, the compiler's figures or its error, and OUT.hlo.gz, the optimized program. It runs
in a separate environment with jax and its libtpu, and does not import this project.
"""

import gzip
import importlib.metadata
import json
import os
import sys
import time
from pathlib import Path

os.environ |= {  # otherwise libtpu searches for a metadata server, for minutes
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_WORKER_ID": "0",
    "TPU_SKIP_MDS_QUERY": "1",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "JAX_PLATFORMS": "cpu",
}


def main(program: Path, topology: str, out: Path) -> None:
    """Compiles the program for one core of the topology."""
    import jax

    started = time.perf_counter()
    report: dict = {"libtpu": importlib.metadata.version("libtpu"), "jax": jax.__version__}
    try:
        compiled = _compile(program.read_text(), topology)
    except jax.errors.JaxRuntimeError as error:
        report["error"] = str(error)
    else:
        memory = compiled.get_compiled_memory_stats()
        for part in ("argument", "output", "alias", "temp", "generated_code"):
            report[f"{part}_bytes"] = getattr(memory, f"{part}_size_in_bytes")
        costs = compiled.cost_analysis()
        report |= {
            "flops": costs["flops"],
            "accessed_bytes": costs["bytes accessed"],
            "transcendentals": costs.get("transcendentals", 0.0),
        }
        (module,) = compiled.hlo_modules()
        with gzip.open(out.with_name(out.name + ".hlo.gz"), "wt") as file:
            file.write(module.to_string())
    report["seconds"] = round(time.perf_counter() - started, 1)
    out.with_name(out.name + ".json").write_text(json.dumps(report, indent=1) + "\n")


def _compile(text: str, topology: str):
    from jax._src.interpreters import mlir
    from jax._src.lib.mlir import ir
    from jax.experimental import topologies
    from jaxlib import _jax

    device = topologies.get_topology_desc(topology, "tpu").devices[0]
    with mlir.make_ir_context():
        module = ir.Module.parse(text)
        return device.client.compile(module, _jax.DeviceList((device,)), _jax.CompileOptions())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
