"""What the buffers of an optimized TPU program take, read from its text.

A TPU keeps an array in tiles: f32[128,4,4,3]{0,3,2,1:T(4,128)} has its first axis along 128 lanes
and the 3 channels along 4 rows, so that a quarter of it is padding. S(1) behind the tiles is the
memory on the chip (VMEM); without an S an array lies in HBM.
"""

import dataclasses
import math
import re
from collections import Counter
from collections.abc import Iterator

BITS = {"pred": 8, "bf16": 16, **{f"{kind}{n}": n for kind in "suf" for n in (4, 8, 16, 32, 64)}}
HBM, VMEM = 0, 1  # the memories' numbers
SECOND_NAMES = ("tuple", "get-tuple-element", "bitcast")  # they name a buffer again
STILL = (*SECOND_NAMES, "parameter", "constant")  # they move nothing
PLACES = {"while": "loops", "conditional": "conditions", "call": "calls"}
INSIDE = re.compile(
    r"\b(?:body|to_apply|(?:true|false)_computation|branch_computations)=(?:\{([^}]*)\}|(\S+))"
)
ARRAY = re.compile(r"\b([a-z]+\d*)\[([\d,]*)\](?:\{([\d,]*)(?::([^}]*))?\})?")
INSTRUCTION = re.compile(r"\s+(?:ROOT )?%(\S+) = (.*)")


@dataclasses.dataclass(frozen=True)
class Array:
    """An array as it lies in memory.

    Attributes:
      real_bytes: of its elements.
      tiled_bytes: of its tiles.
      memory: 0 for HBM, 1 for VMEM, others for scalars and semaphores.
    """

    real_bytes: int
    tiled_bytes: int
    memory: int


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One line of a computation: what it gives, does and reads."""

    name: str
    arrays: tuple[Array, ...]
    operation: str
    operands: tuple[str, ...]
    rest: str


def measure(text: str) -> dict[str, int]:
    """Sums over the buffers of a program.

    Returns:
      `real_bytes` and `tiled_bytes` of all buffers in HBM and VMEM: the parameters, the constants,
      and what every instruction outside fusions gives; `hbm_traffic_bytes`: the tiled bytes that
      those instructions read from and write to HBM, of the branches of a condition in the one that
      moves most; and how many `loops` and `conditions` there are. A loop turns once in all of them.
    """
    computations = _computations(text)
    return dict(_sums(computations, next(name for name in computations if "ENTRY " in name)))


def _sums(computations: dict[str, list[Instruction]], name: str) -> Counter[str]:
    sums: Counter[str] = Counter()
    known = {one.name: one.arrays for one in computations[name]}
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
        given = (
            one.arrays[:1] if one.operation == "copy-start" else one.arrays
        )  # it names both ends
        given = tuple(array for array in given if array.memory in (HBM, VMEM))
        started = one.operation.endswith("-done")  # and counted where it was
        if one.operation not in SECOND_NAMES and not started and _is_own(one, name):
            sums["real_bytes"] += sum(array.real_bytes for array in given)
            sums["tiled_bytes"] += sum(array.tiled_bytes for array in given)
        if one.operation not in STILL and not started:
            moved = [*given, *(array for key in one.operands for array in known.get(key, ()))]
            sums["hbm_traffic_bytes"] += sum(a.tiled_bytes for a in moved if a.memory == HBM)
    return sums


def _is_own(one: Instruction, computation: str) -> bool:
    """Whether it is no parameter of a branch or of a loop's body, which lie with their caller."""
    return one.operation != "parameter" or "ENTRY " in computation


def _computations(text: str) -> dict[str, list[Instruction]]:
    found: dict[str, list[Instruction]] = {}
    lines: list[Instruction] = []
    for line in text.splitlines():
        opened = re.match(r"(ENTRY )?%([\w.-]+) \(.*\{$", line)
        if opened:
            lines = found[f"{opened[1] or ''}{opened[2]}"] = []
        elif told := INSTRUCTION.match(line):
            lines.append(_instruction(told[1], told[2]))
    return found


def _instruction(name: str, told: str) -> Instruction:
    end = _closing(told, 0) + 1 if told.startswith("(") else told.index(" ")
    operation = re.match(r" ([\w-]+)\(", told[end:])
    assert operation is not None, told[:200]
    opening = end + operation.end() - 1
    closing = _closing(told, opening)
    operands = tuple(re.findall(r"%([\w.-]+)", told[opening:closing]))
    arrays = tuple(_arrays(told[:end]))
    return Instruction(name, arrays, operation[1], operands, told[closing:])


def _closing(text: str, opening: int) -> int:
    depth = 0
    for place in range(opening, len(text)):
        depth += (text[place] == "(") - (text[place] == ")")
        if depth == 0:
            return place
    raise ValueError(f"no closing parenthesis in {text[:200]}")


def _arrays(told: str) -> Iterator[Array]:
    for kind, sides, order, layout in ARRAY.findall(told):
        if kind in BITS:
            shape = [int(side) for side in sides.split(",") if side]
            yield array(BITS[kind], shape, [int(axis) for axis in order.split(",") if axis], layout)


def array(bits: int, shape: list[int], minor_to_major: list[int], layout: str) -> Array:
    """One array of `bits` per element with a layout such as "T(8,128)(2,1)S(1)".

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
