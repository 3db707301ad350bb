"""Writes docs/tpu.md: the figures of the TPU compiler for every model."""

import dataclasses
import datetime
import os
import re
import textwrap

BATCH = 128
TEXT = """\
<!-- Made by `{command}`. -->

# Every model's training step, compiled for TPUs

**Nothing on this page ran on TPU hardware.** The figures come from TensorFlow's lowering for TPUs
and from the real TPU compiler, both on a machine without a TPU. "yes" in the table means: a TPU has
all operations of the step, and the step compiles and fits into memory. The other figures are counts
of the compiler. They do not show that the step trains on a TPU, how fast it is, or that
`--strategy tpu` (input, several cores, checkpoints) works.

Made on {date} by

    {command}

{output}

## How

Each model has its default settings and the shapes of its default data, and {batch} rows per core;
bfloat16 is `--set precision=bfloat16`. One step is the complete `gantf.training.step.train_step`:
forward pass, losses and penalties, gradients, optimizer updates, moving averages. In every model,
each size that must divide the number of rows divides {batch}.

1. **Operations.** `tensorflow-tpu` {tensorflow} (libtpu {first_libtpu}, Keras {keras}) lowers the
   step to StableHLO for the platform "TPU". It refuses operations and dtypes that TPUs lack. This
   lowering must not capture variables, so tensors replace the variables while the step is traced,
   and the values after the step are returned. The code of the step is the trainer's own.
{parity}
2. **Compiling.** libtpu {second_libtpu}, driven by jax {jax}, compiles that program for one core of
   the compile-only topologies `v5e:2x2` and `v6e:2x2`. Variables are updated in place, as in
   training. One program took from {least} to {most}
   on {cores} cores.

The two parts need different versions of libtpu, so each has an environment: `.venv-tpu-lower` and
`.venv-tpu-compile`. Results are stored in `runs/tpu_check`, and an interrupted run resumes from
there. `--again` starts from the beginning; `--only`, `--chip` and `--precision` select a part.

## Meaning of the columns

- **compiles**: "yes", or the operation that fails.
- **HBM**: the memory in HBM as the compiler reports it: arguments (weights, optimizer state,
  averages, the batch), outputs that do not reuse an argument's memory, temporary memory, and the
  program. A chip has {hbm}.
- **FLOP**, **bytes**: values of one step, from the compiler's cost analysis of the optimized
  program. The bytes count whole tiles, with padding, for every operand and result of every
  operation, including data that stays in the memory on the chip (VMEM).
- **padding**: the fraction of the bytes of all buffers of the optimized program that holds no
  element. TPUs keep arrays in tiles: `f32[128,4,4,3]{{0,3,2,1:T(4,128)}}` takes 4 rows for 3
  channels: a quarter is padding. Buffers are the parameters, the constants and each result of an
  instruction outside fusions, in HBM or VMEM, each counted once. Aliases of a buffer (tuple,
  get-tuple-element, bitcast) and scalar memory do not count.
- **images/s**: {batch} / max(FLOP / peak FLOP/s, bytes / HBM bandwidth), the roofline of
  these figures; **by** names the larger term. The bytes include VMEM, so a step that keeps its
  activations there may be faster.
- **HBM traffic**: the tiled bytes that the same instructions read from and write to HBM, according
  to the memory in each layout. If an instruction reads a part of an array, the whole array counts.
  **at most** is the roofline with these bytes instead. The real speed should be lower: both
  rooflines ignore latency, units that wait for each other, and convolutions too small to fill a
  128 x 128 (v5e) or 256 x 256 (v6e) matrix unit, as most are at these image sizes.

Peaks: {peaks}.
Source: Google Cloud, "TPU v5e" and "TPU v6e" (cloud.google.com/tpu/docs/v5e, .../v6e). The
peaks are for bfloat16, and are used for float32 as well: the programs use the default precision,
with which the matrix units of a TPU round float32 operands to bfloat16, multiply once, and sum in
float32. So "float32" in the table means float32 weights, activations and sums, but not products.

The figures do not include the communication of a step on several cores: a program for one core has
no all-reduce of the gradients ({reduced}), and none for batch
norm, the image pool and other statistics of the global batch.
{notes}
## Figures

A megabyte is 10^6 bytes. `wgan` updates its critic several times in a step, each time on a new
batch; images/s count {batch} per step.
"""


@dataclasses.dataclass(frozen=True)
class Chip:
    """Published figures of a chip."""

    flops: float
    bandwidth: float
    hbm_gb: int


CHIPS = {"v5e": Chip(197e12, 819e9, 16), "v6e": Chip(918e12, 1640e9, 32)}
HEAD = (
    "| model | precision | compiles | HBM, MB | GFLOP | bytes, MB | padding | images/s | by | "
    "HBM traffic, MB | at most, images/s |\n|---|---|---|---|---|---|---|---|---|---|---|"
)


def row(name: str, precision: str, chip: str, result: dict | None) -> str:
    """Returns a row of the table."""
    start = f"| `{name}` | {precision} |"
    if result is None:
        return f"{start} not compiled yet |" + " |" * 8
    if "error" in result:
        return f"{start} no: {failure(result['error'])} |" + " |" * 8
    seconds = {
        "FLOP": result["flops"] / CHIPS[chip].flops,
        "bytes": result["accessed_bytes"] / CHIPS[chip].bandwidth,
    }
    slowest = max(seconds, key=lambda what: seconds[what])
    least = max(seconds["FLOP"], result["hbm_traffic_bytes"] / CHIPS[chip].bandwidth)
    padding = 1 - result["real_bytes"] / result["tiled_bytes"]
    cells = (
        "yes",
        f"{hbm_bytes(result) / 1e6:,.1f}",
        f"{result['flops'] / 1e9:,.1f}",
        f"{result['accessed_bytes'] / 1e6:,.0f}",
        f"{padding:.0%}",
        f"{rounded(BATCH / seconds[slowest]):,}",
        slowest,
        f"{result['hbm_traffic_bytes'] / 1e6:,.1f}",
        f"{rounded(BATCH / least):,}",
    )
    return f"{start} {' | '.join(cells)} |"


def hbm_bytes(result: dict) -> int:
    """Returns the total memory of a program."""
    parts = ("argument_bytes", "output_bytes", "temp_bytes", "generated_code_bytes")
    return sum(result[part] for part in parts) - result["alias_bytes"]


def rounded(number: float) -> int:
    """Rounds to three digits; a roofline is not more precise."""
    return int(float(f"{number:.3g}"))


def duration(seconds: float) -> str:
    """Returns a duration in words."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def failure(error: str) -> str:
    """Shortens an error for a table cell: the operations that it names, or its first line."""
    shape = re.search(r"node `([^`]+)` with op (\w+) must be a compile-time constant", error)
    if shape:
        node = "/".join(shape[1].split("/")[-3:])
        return f"`{shape[2]}` to a shape that is unknown when compiled, in `{node}`"
    lacking = sorted(set(re.findall(r"No registered '(\w+)' OpKernel", error)))
    first = next((line for line in error.splitlines() if line.strip()), "")
    return ", ".join(f"`{name}`" for name in lacking) or first[:120].replace("|", "/")


def page(
    results: dict[tuple[str, str, str], dict | None], parities: dict[str, dict], command: str
) -> str:
    """Returns the text of docs/tpu.md.

    Args:
      results: figures by model, precision and chip; None if not compiled.
      parities: the difference between the lowered step and the trainer's, by model.
      command: the command that made the results.
    """
    compiled = {key: x for key, x in results.items() if x and "error" not in x}
    works = list(compiled.values())
    any_one = works[0]
    parameters = [result["argument_bytes"] for result in works]
    slowest = max(compiled, key=lambda key: compiled[key]["seconds"])
    text = TEXT.format(
        command=command,
        date=datetime.date.today().isoformat(),
        output=output(results),
        batch=BATCH,
        tensorflow=any_one["lowering"]["tensorflow-tpu"],
        first_libtpu=any_one["lowering"]["libtpu"],
        keras=any_one["lowering"]["keras"],
        second_libtpu=any_one["libtpu"],
        jax=any_one["jax"],
        cores=os.cpu_count(),
        least=duration(min(result["seconds"] for result in works)),
        most=f"{duration(compiled[slowest]['seconds'])} (`{slowest[0]}`, {', '.join(slowest[1:])})",
        hbm=" and ".join(f"{chip.hbm_gb} GB on {name}" for name, chip in CHIPS.items()),
        peaks="; ".join(
            f"{name} {chip.flops / 1e12:.0f} TFLOP/s and {chip.bandwidth / 1e9:.0f} GB/s"
            for name, chip in CHIPS.items()
        ),
        reduced=f"all arguments together are at most {max(parameters) / 1e6:,.0f} MB here",
        parity=parity(parities),
        notes=notes(results),
    )
    for chip in CHIPS:
        rows = [row(n, p, c, x) for (n, p, c), x in results.items() if c == chip]
        text += "\n".join([f"\n### {chip}\n", HEAD, *rows]) + "\n"
    return text


def output(results: dict[tuple[str, str, str], dict | None]) -> str:
    """Summarises the results in a paragraph."""
    tried = {key: result for key, result in results.items() if result is not None}
    fails = [" ".join(key) for key, result in tried.items() if "error" in result]
    text = f"{len(tried) - len(fails)} of {len(results)} programs lower and compile."
    if fails:
        text += f" These fail: {', '.join(fails)}."
    if len(tried) < len(results):
        text += f" {len(results) - len(tried)} are not compiled yet."
    return textwrap.fill(text, 100)


def parity(parities: dict[str, dict]) -> str:
    """Summarises the comparison of both steps on a CPU."""
    some = next(iter(parities.values()))
    unequal = {name: x for name, x in parities.items() if x["difference"]}
    text = (
        f"After {some['steps']} steps of {some['batch']} rows on a CPU, weights, optimizer "
        f"states, averages and logged values of {len(parities) - len(unequal)} of {len(parities)} "
        "models equal the trainer's bit for bit"
    )
    if unequal:
        worst = max(x["difference"] for x in unequal.values())
        names = ", ".join(f"`{name}`" for name in unequal)
        text += f"; those of {names} differ by at most {worst:.1e} of a variable's largest value"
    return textwrap.fill(text + ".", 100, initial_indent="   ", subsequent_indent="   ")


def notes(results: dict[tuple[str, str, str], dict | None]) -> str:
    """Returns notes about single rows."""
    text = []
    if loops := having("loops", results):
        text.append(
            f"The programs of {loops} have loops. All figures count one iteration of them, so they "
            "are too small."
        )
    if conditions := having("conditions", results):
        text.append(
            f"The programs of {conditions} do some work in some steps only, such as a penalty "
            "every few steps. FLOP, bytes and HBM traffic count a step with this work."
        )
    return "\n".join(["", *text, ""]) if text else "\n"


def having(what: str, results: dict[tuple[str, str, str], dict | None]) -> str:
    """Returns the names of the models whose programs have loops or conditions."""
    return ", ".join(sorted({f"`{key[0]}`" for key, x in results.items() if (x or {}).get(what)}))
