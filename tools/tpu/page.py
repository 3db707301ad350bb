"""docs/tpu.md: what the TPU's compiler says of every model."""

import dataclasses
import datetime
import os
import re
import textwrap

BATCH = 128
TEXT = """\
<!-- Made by `{command}`. -->

# Every model's training step, compiled for TPUs

**No run on TPU hardware was made.** What is here comes from TensorFlow's lowering for TPUs and from
the real TPU compiler, both on a machine that has no TPU. Where the table says yes, the step has
only operations that a TPU has, it compiles and fits, and the figures are what the compiler counts.
That shows neither that it trains there, nor how fast, nor that `--strategy tpu` (input, several
cores, checkpoints) works there.

Made on {date} by

    {command}

{output}

## How

Each model has its default settings and the shapes of its default data, and {batch} rows per core;
bfloat16 is `--set precision=bfloat16`. One step is `gantf.training.step.train_step` whole: forward,
losses and penalties, gradients, the optimizers' updates, the moving averages. Nothing that has to
divide {batch} fails to, in any model.

1. **Operations.** `tensorflow-tpu` {tensorflow} (libtpu {first_libtpu}, Keras {keras}) lowers the
   step to StableHLO for the platform "TPU"; it refuses an operation, or a dtype of one, that TPUs
   lack. Such a lowering may capture no variable, so tensors stand in for the variables while the
   step is traced, and the values after the step are returned; the code of the step is the
   trainer's own.
{parity}
2. **Compiling.** libtpu {second_libtpu}, driven by jax {jax}, compiles that program for one core of
   the compile-only topologies `v5e:2x2` and `v6e:2x2`. Each variable's next value may take the
   memory of its last, as in training. One program took from {least} to {most}
   on {cores} cores.

The two need different versions of libtpu and get an environment each, `.venv-tpu-lower` and
`.venv-tpu-compile`. Results are kept in `runs/tpu_check`, and an interrupted run goes on there;
`--again` starts anew, and `--only`, `--chip` and `--precision` choose.

## What the columns say

- **compiles**: or the operation that does not.
- **HBM**: arguments (weights, optimizers' state, averages, the batch), outputs that take no
  argument's place, temporary memory, and the program, as the compiler reports them. There are
  {hbm}.
- **FLOP**, **bytes**: of one step, from the compiler's cost analysis of the optimized program. The
  bytes are of whole tiles, with their padding, and count every operand and result of every
  operation: also what never leaves the chip's own memory (VMEM).
- **padding**: of the bytes that all buffers of the optimized program take, the share that holds no
  element. TPUs keep arrays in tiles: `f32[128,4,4,3]{{0,3,2,1:T(4,128)}}` takes 4 rows for 3
  channels, a quarter is padding. Buffers are the parameters, the constants and each result of an
  instruction outside fusions, in HBM or VMEM, each counted once; not what names another buffer
  again (tuple, get-tuple-element, bitcast), and not scalar memory.
- **images/s**: {batch} / max(FLOP / peak FLOP/s, bytes / HBM bandwidth), the roofline as these
  figures give it; **by** says which of the two sets it. As the bytes hold VMEM's too, a step that
  keeps its activations there may be faster than this.
- **HBM traffic**: tiled bytes that the same instructions read from and write to HBM alone, by
  the memory of each layout. A whole array is counted where only a part is read. **at most** is the
  roofline with these bytes instead. The truth should lie below it: neither takes account of
  latency, of units that wait for each other, or of convolutions too small to fill a
  128 x 128 (v5e) or 256 x 256 (v6e) matrix unit, as most are at these sizes of images.

Peaks: {peaks}.
Source: Google Cloud, "TPU v5e" and "TPU v6e" (cloud.google.com/tpu/docs/v5e, .../v6e). They are of
bfloat16, and used for float32 as well: the programs ask for the default precision, with which a
TPU's matrix units round float32 operands to bfloat16, multiply once, and sum in float32. So float32
in the table is float32 weights, activations and sums, not products.

What a step on several cores adds is not here: a program for one core has no all-reduce of the
gradients ({reduced}), nor of what batch norm, the
pool of images and other statistics of the global batch need.
{notes}
## Figures

A megabyte is 10^6 bytes. `wgan` moves its critic several times in a step, each on a batch of its
own; images/s count {batch} per step.
"""


@dataclasses.dataclass(frozen=True)
class Chip:
    """What is published of a chip."""

    flops: float
    bandwidth: float
    hbm_gb: int


CHIPS = {"v5e": Chip(197e12, 819e9, 16), "v6e": Chip(918e12, 1640e9, 32)}
HEAD = (
    "| model | precision | compiles | HBM, MB | GFLOP | bytes, MB | padding | images/s | by | "
    "HBM traffic, MB | at most, images/s |\n|---|---|---|---|---|---|---|---|---|---|---|"
)


def row(name: str, precision: str, chip: str, result: dict | None) -> str:
    """A line of the table."""
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
    """All the memory of a program."""
    parts = ("argument_bytes", "output_bytes", "temp_bytes", "generated_code_bytes")
    return sum(result[part] for part in parts) - result["alias_bytes"]


def rounded(number: float) -> int:
    """To three digits, which is more than a roofline tells."""
    return int(float(f"{number:.3g}"))


def duration(seconds: float) -> str:
    """In words."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def failure(error: str) -> str:
    """What of an error fits a cell: the operations that it names, or its first line."""
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
    """docs/tpu.md.

    Args:
      results: by model, precision and chip; None for what was not tried.
      parities: by model, how far the lowered step is from the trainer's.
      command: that made them.
    """
    compiled = {key: told for key, told in results.items() if told and "error" not in told}
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
        rows = [row(n, p, c, told) for (n, p, c), told in results.items() if c == chip]
        text += "\n".join([f"\n### {chip}\n", HEAD, *rows]) + "\n"
    return text


def output(results: dict[tuple[str, str, str], dict | None]) -> str:
    """The result in some words."""
    tried = {key: result for key, result in results.items() if result is not None}
    fails = [" ".join(key) for key, result in tried.items() if "error" in result]
    told = f"Of {len(results)} programs, {len(tried) - len(fails)} lower and compile."
    if fails:
        told += f" Those that do not: {', '.join(fails)}."
    if len(tried) < len(results):
        told += f" {len(results) - len(tried)} are not compiled yet."
    return textwrap.fill(told, 100)


def parity(parities: dict[str, dict]) -> str:
    """What running both steps on a CPU has shown."""
    some = next(iter(parities.values()))
    apart = {name: told for name, told in parities.items() if told["difference"]}
    told = (
        f"After {some['steps']} steps of {some['batch']} rows on a CPU, weights, optimizers' "
        f"states, averages and logged values of {len(parities) - len(apart)} of {len(parities)} "
        "models equal the trainer's bit for bit"
    )
    if apart:
        worst = max(told["difference"] for told in apart.values())
        names = ", ".join(f"`{name}`" for name in apart)
        told += f"; those of {names} differ by at most {worst:.1e} of a variable's largest value"
    return textwrap.fill(told + ".", 100, initial_indent="   ", subsequent_indent="   ")


def notes(results: dict[tuple[str, str, str], dict | None]) -> str:
    """What to know of single rows."""
    told = []
    if loops := having("loops", results):
        told.append(
            f"The programs of {loops} have loops, of which all figures count one turn: they "
            "are too small by the other turns."
        )
    if conditions := having("conditions", results):
        told.append(
            f"Those of {conditions} do something in some steps only, such as a penalty every few "
            "steps: FLOP, bytes and HBM traffic are of a step that does it."
        )
    return "\n".join(["", *told, ""]) if told else "\n"


def having(what: str, results: dict[tuple[str, str, str], dict | None]) -> str:
    """The models whose programs have loops or conditions."""
    return ", ".join(
        sorted({f"`{key[0]}`" for key, told in results.items() if (told or {}).get(what)})
    )
