"""Computes the sizes of the buffers of an optimized TPU program from its text.

A TPU stores an array in tiles: f32[128,4,4,3]{0,3,2,1:T(4,128)} has its first axis along 128 lanes
and the 3 channels along 4 rows, so a quarter of it is padding. S(1) after the tiles means the
memory on the chip (VMEM); without an S the array is in HBM.
"""

import dataclasses
import math
import re
from collections import Counter
from collections.abc import Iterator

BITS = {"pred": 8, "bf16": 16, **{f"{kind}{n}": n for kind in "suf" for n in (4, 8, 16, 32, 64)}}
HBM, VMEM = 0, 1  # memory numbers in the program text
SECOND_NAMES = ("tuple", "get-tuple-element", "bitcast")  # aliases of a buffer
STILL = (*SECOND_NAMES, "parameter", "constant")  # no memory traffic
PLACES = {"while": "loops", "conditional": "conditions", "call": "calls"}
INSIDE = re.compile(
    r"\b(?:body|to_apply|(?:true|false)_computation|branch_computations)=(?:\{([^}]*)\}|(\S+))"
)
ARRAY = re.compile(r"\b([a-z]+\d*)\[([\d,]*)\](?:\{([\d,]*)(?::([^}]*))?\})?")
INSTRUCTION = re.compile(r"\s+(?:ROOT )?%(\S+) = (.*)")


@dataclasses.dataclass(frozen=True)
class Array:
    """The memory of an array.

    Attributes:
      real_bytes: size of the elements.
      tiled_bytes: size of the tiles.
      memory: 0 for HBM, 1 for VMEM, other numbers for scalars and semaphores.
    """

    real_bytes: int
    tiled_bytes: int
    memory: int


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One line of a computation: its results, operation and operands."""

    name: str
    arrays: tuple[Array, ...]
    operation: str
    operands: tuple[str, ...]
    rest: str


def measure(text: str) -> dict[str, int]:
    """Sums over the buffers of a program.

    Returns:
      A dict. `real_bytes` and `tiled_bytes`: sizes of all buffers in HBM and VMEM (the parameters,
      the constants, and the result of every instruction outside fusions). `hbm_traffic_bytes`: the
      tiled bytes that those instructions read from and write to HBM; a condition counts its branch
      with the most traffic. `loops`, `conditions`: their numbers. All sums count one iteration of
      a loop.
    """
    computations = _computations(text)
    return dict(_sums(computations, next(name for name in computations if "ENTRY " in name)))


def _sums(computations: dict[str, list[Instruction]], name: str) -> Counter[str]:
    sums: Counter[str] = Counter()
    arrays_of = {one.name: one.arrays for one in computations[name]}
    for one in computations[name]:
        if one.operation in PLACES:
            named = " ".join(many or single for many, single in INSIDE.findall(one.rest))
            inner = [_sums(computations, each) for each in re.findall(r"%([\w.-]+)", named)]
            sums["hbm_traffic_bytes"] += max(
                (s.pop("hbm_traffic_bytes", 0) for s in inner), default=0
            )
            sums.update({PLACES[one.operation]: 1})
            for part in inner:
                sums.update(part)
            continue
        # A copy-start lists both its source and its target.
        arrays = one.arrays[:1] if one.operation == "copy-start" else one.arrays
        results = tuple(array for array in arrays if array.memory in (HBM, VMEM))
        started = one.operation.endswith("-done")  # counted at its start
        if one.operation not in SECOND_NAMES and not started and _is_own(one, name):
            sums["real_bytes"] += sum(array.real_bytes for array in results)
            sums["tiled_bytes"] += sum(array.tiled_bytes for array in results)
        if one.operation not in STILL and not started:
            moved = [*results, *(array for key in one.operands for array in arrays_of.get(key, ()))]
            sums["hbm_traffic_bytes"] += sum(a.tiled_bytes for a in moved if a.memory == HBM)
    return sums


def _is_own(one: Instruction, computation: str) -> bool:
    """False for the parameters of a branch or of a loop's body: these belong to the caller."""
    return one.operation != "parameter" or "ENTRY " in computation


def _computations(text: str) -> dict[str, list[Instruction]]:
    computations: dict[str, list[Instruction]] = {}
    lines: list[Instruction] = []
    for line in text.splitlines():
        opened = re.match(r"(ENTRY )?%([\w.-]+) \(.*\{$", line)
        if opened:
            lines = computations[f"{opened[1] or ''}{opened[2]}"] = []
        elif match := INSTRUCTION.match(line):
            lines.append(_instruction(match[1], match[2]))
    return computations


def _instruction(name: str, text: str) -> Instruction:
    end = _closing(text, 0) + 1 if text.startswith("(") else text.index(" ")
    operation = re.match(r" ([\w-]+)\(", text[end:])
    assert operation is not None, text[:200]
    opening = end + operation.end() - 1
    closing = _closing(text, opening)
    operands = tuple(re.findall(r"%([\w.-]+)", text[opening:closing]))
    arrays = tuple(_arrays(text[:end]))
    return Instruction(name, arrays, operation[1], operands, text[closing:])


def _closing(text: str, opening: int) -> int:
    depth = 0
    for place in range(opening, len(text)):
        depth += (text[place] == "(") - (text[place] == ")")
        if depth == 0:
            return place
    raise ValueError(f"no closing parenthesis in {text[:200]}")


def _arrays(text: str) -> Iterator[Array]:
    for kind, sides, order, layout in ARRAY.findall(text):
        if kind in BITS:
            shape = [int(side) for side in sides.split(",") if side]
            yield array(BITS[kind], shape, [int(axis) for axis in order.split(",") if axis], layout)


def array(bits: int, shape: list[int], minor_to_major: list[int], layout: str) -> Array:
    """Returns an array with `bits` per element and a layout such as "T(8,128)(2,1)S(1)".

    >>> array(32, [128, 4, 4, 3], [0, 3, 2, 1], "T(4,128)")
    Array(real_bytes=24576, tiled_bytes=32768, memory=0)
    >>> array(16, [3, 130], [1, 0], "T(8,128)(2,1)S(1)")
    Array(real_bytes=780, tiled_bytes=4096, memory=1)
    """
    laid = [shape[axis] for axis in reversed(minor_to_major)] if minor_to_major else list(shape)
    tiles = re.search(r"T((?:\([\d,]+\))+)", layout)
    for tile in re.findall(r"\(([\d,]+)\)", tiles[1]) if tiles else ():
        sides = [int(side) for side in tile.split(",")]
        laid = [1] * (len(sides) - len(laid)) + laid
        ends = laid[-len(sides) :]
        many = [math.ceil(end / side) for end, side in zip(ends, sides, strict=True)]
        laid = [*laid[: -len(sides)], *many, *sides]
    memory = re.search(r"S\((\d+)\)", layout)
    return Array(
        math.ceil(math.prod(shape) * bits / 8),
        math.ceil(math.prod(laid) * bits / 8),
        int(memory[1]) if memory else 0,
    )
