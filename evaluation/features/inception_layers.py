"""The convolutions of the 2015-12-05 Inception network, each with its names, shape and source.

The network has a stem of five convolutions and two poolings, three blocks at 35 x 35 ("A"), one
that halves the side ("B"), four at 17 x 17 ("C"), one that halves the side ("D") and two at 8 x 8
("E"). Batch normalisation (epsilon 1e-3) and a ReLU follow every convolution. The table holds each
convolution's name in the PyTorch port ("Mixed_5b.branch1x1") and in the original frozen graph
("mixed/conv"). `evaluation.features.inception` builds the network from it.

Source: Szegedy et al. 2015, arXiv:1512.00567.
"""

import dataclasses

CLASSES = 1008
WIDTH = 2048  # inputs of the classifier


@dataclasses.dataclass(frozen=True)
class Convolution:
    """One convolution without bias, its batch normalisation and its ReLU.

    Attributes:
      name: name in the PyTorch port: NAME.conv.weight, NAME.bn.weight, NAME.bn.bias ...
      graph: name in the frozen graph: GRAPH/conv2d_params, GRAPH/batchnorm/gamma ...
      source: name of the convolution that is its input; "input" for the block's input, "pool" for
        the pooled input.
      inputs, outputs: numbers of channels.
      kernel: (height, width).
      stride: stride along both axes.
      padded: True for zero padding that keeps the size at stride 1.
    """

    name: str
    graph: str
    source: str
    inputs: int
    outputs: int
    kernel: tuple[int, int]
    stride: int = 1
    padded: bool = True


@dataclasses.dataclass(frozen=True)
class Block:
    """Branches with one common input; the block's output concatenates their channels.

    Attributes:
      name: name in the PyTorch port.
      convolutions: in an order in which they can be computed.
      joined: names of the concatenated outputs, in order; "pool" is the pooled input itself.
      pool: pooling of 3 x 3 pixels: "average" or "max" (stride 1, padding not counted), or
        "reduce" (maximum, stride 2, no padding).
    """

    name: str
    convolutions: tuple[Convolution, ...]
    joined: tuple[str, ...]
    pool: str


# max pooling of 3 x 3 pixels with stride 2 follows Conv2d_2b_3x3 and Conv2d_4a_3x3
STEM = (
    Convolution("Conv2d_1a_3x3", "conv", "input", 3, 32, (3, 3), 2, False),
    Convolution("Conv2d_2a_3x3", "conv_1", "input", 32, 32, (3, 3), 1, False),
    Convolution("Conv2d_2b_3x3", "conv_2", "input", 32, 64, (3, 3)),
    Convolution("Conv2d_3b_1x1", "conv_3", "input", 64, 80, (1, 1)),
    Convolution("Conv2d_4a_3x3", "conv_4", "input", 80, 192, (3, 3), 1, False),
)

# (branch, name in the graph, source, outputs, kernel[, stride])
_POOL_BRANCH = ("branch_pool", "tower_2/conv", "pool")
_A = (
    ("branch1x1", "conv", "input", 64, (1, 1)),
    ("branch5x5_1", "tower/conv", "input", 48, (1, 1)),
    ("branch5x5_2", "tower/conv_1", "branch5x5_1", 64, (5, 5)),
    ("branch3x3dbl_1", "tower_1/conv", "input", 64, (1, 1)),
    ("branch3x3dbl_2", "tower_1/conv_1", "branch3x3dbl_1", 96, (3, 3)),
    ("branch3x3dbl_3", "tower_1/conv_2", "branch3x3dbl_2", 96, (3, 3)),
)
_B = (
    ("branch3x3", "conv", "input", 384, (3, 3), 2),
    ("branch3x3dbl_1", "tower/conv", "input", 64, (1, 1)),
    ("branch3x3dbl_2", "tower/conv_1", "branch3x3dbl_1", 96, (3, 3)),
    ("branch3x3dbl_3", "tower/conv_2", "branch3x3dbl_2", 96, (3, 3), 2),
)
_D = (
    ("branch3x3_1", "tower/conv", "input", 192, (1, 1)),
    ("branch3x3_2", "tower/conv_1", "branch3x3_1", 320, (3, 3), 2),
    ("branch7x7x3_1", "tower_1/conv", "input", 192, (1, 1)),
    ("branch7x7x3_2", "tower_1/conv_1", "branch7x7x3_1", 192, (1, 7)),
    ("branch7x7x3_3", "tower_1/conv_2", "branch7x7x3_2", 192, (7, 1)),
    ("branch7x7x3_4", "tower_1/conv_3", "branch7x7x3_3", 192, (3, 3), 2),
)
_E = (
    ("branch1x1", "conv", "input", 320, (1, 1)),
    ("branch3x3_1", "tower/conv", "input", 384, (1, 1)),
    ("branch3x3_2a", "tower/mixed/conv", "branch3x3_1", 384, (1, 3)),
    ("branch3x3_2b", "tower/mixed/conv_1", "branch3x3_1", 384, (3, 1)),
    ("branch3x3dbl_1", "tower_1/conv", "input", 448, (1, 1)),
    ("branch3x3dbl_2", "tower_1/conv_1", "branch3x3dbl_1", 384, (3, 3)),
    ("branch3x3dbl_3a", "tower_1/mixed/conv", "branch3x3dbl_2", 384, (1, 3)),
    ("branch3x3dbl_3b", "tower_1/mixed/conv_1", "branch3x3dbl_2", 384, (3, 1)),
    (*_POOL_BRANCH, 192, (1, 1)),
)


def _c(width: int) -> tuple[tuple, ...]:
    return (
        ("branch1x1", "conv", "input", 192, (1, 1)),
        ("branch7x7_1", "tower/conv", "input", width, (1, 1)),
        ("branch7x7_2", "tower/conv_1", "branch7x7_1", width, (1, 7)),
        ("branch7x7_3", "tower/conv_2", "branch7x7_2", 192, (7, 1)),
        ("branch7x7dbl_1", "tower_1/conv", "input", width, (1, 1)),
        ("branch7x7dbl_2", "tower_1/conv_1", "branch7x7dbl_1", width, (7, 1)),
        ("branch7x7dbl_3", "tower_1/conv_2", "branch7x7dbl_2", width, (1, 7)),
        ("branch7x7dbl_4", "tower_1/conv_3", "branch7x7dbl_3", width, (7, 1)),
        ("branch7x7dbl_5", "tower_1/conv_4", "branch7x7dbl_4", 192, (1, 7)),
        (*_POOL_BRANCH, 192, (1, 1)),
    )


def _block(name: str, graph: str, inputs: int, rows: tuple[tuple, ...], pool: str) -> Block:
    """Makes a block from the table's rows; it joins the outputs that no other row reads."""
    outputs = {row[0]: row[3] for row in rows} | {"input": inputs, "pool": inputs}
    convolutions = tuple(
        Convolution(
            f"{name}.{branch}",
            f"{graph}/{path}",
            source if source in ("input", "pool") else f"{name}.{source}",
            outputs[source],
            count,
            kernel,
            *((stride[0], False) if stride else ()),
        )
        for branch, path, source, count, kernel, *stride in rows
    )
    read = {convolution.source for convolution in convolutions}
    joined = [c.name for c in convolutions if c.name not in read]
    return Block(name, convolutions, (*joined, *(["pool"] if pool == "reduce" else [])), pool)


BLOCKS = (
    _block("Mixed_5b", "mixed", 192, (*_A, (*_POOL_BRANCH, 32, (1, 1))), "average"),
    _block("Mixed_5c", "mixed_1", 256, (*_A, (*_POOL_BRANCH, 64, (1, 1))), "average"),
    _block("Mixed_5d", "mixed_2", 288, (*_A, (*_POOL_BRANCH, 64, (1, 1))), "average"),
    _block("Mixed_6a", "mixed_3", 288, _B, "reduce"),
    _block("Mixed_6b", "mixed_4", 768, _c(128), "average"),
    _block("Mixed_6c", "mixed_5", 768, _c(160), "average"),
    _block("Mixed_6d", "mixed_6", 768, _c(160), "average"),
    _block("Mixed_6e", "mixed_7", 768, _c(192), "average"),
    _block("Mixed_7a", "mixed_8", 768, _D, "reduce"),
    _block("Mixed_7b", "mixed_9", 1280, _E, "average"),
    _block("Mixed_7c", "mixed_10", 2048, _E, "max"),
)
CONVOLUTIONS = STEM + tuple(c for block in BLOCKS for c in block.convolutions)


def shapes() -> dict[str, tuple[int, ...]]:
    """Returns names and shapes of all weights in the PyTorch port: (out, in, height, width)."""
    table: dict[str, tuple[int, ...]] = {}
    for c in CONVOLUTIONS:
        table[f"{c.name}.conv.weight"] = (c.outputs, c.inputs, *c.kernel)
        for part in ("weight", "bias", "running_mean", "running_var"):
            table[f"{c.name}.bn.{part}"] = (c.outputs,)
    return table | {"fc.weight": (CLASSES, WIDTH), "fc.bias": (CLASSES,)}
