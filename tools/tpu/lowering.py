"""The training step of a model -> StableHLO, by TensorFlow for the platform "TPU".

    python tools/tpu/lowering.py MODEL PRECISION BATCH SHAPES.json OUT

Reads the shapes that shapes.py wrote; writes OUT.json, the error or none, and OUT.mlir, the step.
It runs in an environment of its own, with tensorflow-tpu, which refuses operations that TPUs lack.

A lowering for a platform that is not there may capture no variable, and a step changes dozens. So
every variable's value becomes an argument; a tensor stands in for the variable while the step is
traced, with the methods that change one; and the values after the step are what is returned.
"""

import importlib.metadata
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

os.environ |= {  # libtpu would look for a metadata server, for minutes
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_WORKER_ID": "0",
    "TPU_SKIP_MDS_QUERY": "1",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}

import keras
import numpy as np
import tensorflow as tf


def main(name: str, precision: str, batch_size: int, shapes: Path, out: Path) -> None:
    """Lowers the whole step: forward, gradients, optimizers' updates and averages."""
    started = time.perf_counter()
    packages = ("tensorflow-tpu", "libtpu", "keras")
    told: dict = {package: importlib.metadata.version(package) for package in packages}
    try:
        text = lower(name, precision, batch_size, json.loads(shapes.read_text()))
    except Exception as error:  # whatever it is, it is the answer to write down
        told["error"] = f"{type(error).__name__}: {error}"
    else:
        out.with_name(out.name + ".mlir").write_text(text)
    told["seconds"] = round(time.perf_counter() - started, 1)
    out.with_name(out.name + ".json").write_text(json.dumps(told, indent=1) + "\n")


def lower(name: str, precision: str, batch_size: int, shapes: dict) -> str:
    """The step as StableHLO for a TPU, each variable's memory taken for its next value."""
    from gantf import config, models
    from gantf.game import DataSpec, build_game
    from gantf.training import step

    model = models.load(name)
    settings = config.make_model_config(model.Config, {"precision": precision}, name)
    spec = {key: _tuples(value) for key, value in shapes["spec"].items()}
    game = build_game(model, settings, DataSpec(**spec), 0)
    step.make_steps(game, tf.distribute.get_strategy(), batch_size, 0)  # readies the optimizers
    variables = list(game.variables().values())
    names: list[str] = []
    run = without_variables(game, list(shapes["batch"]), batch_size, names)
    specs = [
        tf.TensorSpec((), tf.int64),
        *[tf.TensorSpec(*one) for one in shapes["batch"].values()] * game.batches_per_step,
        *[tf.TensorSpec(variable.shape, variable.dtype) for variable in variables],
    ]
    function = tf.function(run, jit_compile=True, input_signature=specs)
    captured = function.get_concrete_function().captured_inputs
    if captured:
        raise ValueError(f"the step reads what is no variable of the game: {captured}")
    generate = function.experimental_get_compiler_ir(*specs)
    text = generate(stage="stablehlo", platform_name="TPU")
    first = len(specs) - len(variables)
    return _in_place(_readable(text), first, len(names), len(variables))


def without_variables(game, keys: Sequence[str], batch_size: int, names: list[str]) -> Callable:
    """The step as a function of all it reads that returns all it makes.

    Args:
      game: its players' optimizers are ready.
      keys: of a batch.
      batch_size: of one batch.
      names: filled, when the function is traced, with those of the logged values.

    Returns:
      (number of the step, the values of each batch, those of each variable) -> the logged values,
      then those of each variable after the step.
    """
    from gantf.training import step

    variables = list(game.variables().values())

    def run(number, *given):
        parts = [given[at : at + len(keys)] for at in range(0, len(given), len(keys))]
        batches = [
            dict(zip(keys, values, strict=True)) for values in parts[: game.batches_per_step]
        ]
        with stand_ins(variables, given[game.batches_per_step * len(keys) :]):
            logged = step.train_step(game, tuple(batches), number, batch_size, 0)
            after = [tf.identity(variable._value) for variable in variables]
        names[:] = list(logged)
        return *logged.values(), *after

    return run


@contextmanager
def stand_ins(variables: Sequence[keras.Variable], values: Sequence[tf.Tensor]) -> Iterator[None]:
    """Lets tensors stand in for variables while a function is traced."""
    real = [variable._value for variable in variables]
    enter_tape = tf.GradientTape.__enter__

    def hold(variable, unique_id, value) -> None:
        value = tf.identity(value)

        def assign(new):
            hold(variable, unique_id, tf.cast(new, value.dtype))

        value._unique_id = unique_id  # by which an optimizer knows it
        value.assign = assign
        value.assign_add = lambda change: assign(variable._value + change)
        value.assign_sub = lambda change: assign(variable._value - change)
        variable._value = value

    def enter(tape):  # a tape watches variables by itself, tensors only on request
        entered = enter_tape(tape)
        tape.watch([variable._value for variable in variables if variable.trainable])
        return entered

    tf.GradientTape.__enter__ = enter
    try:
        for variable, value, old in zip(variables, values, real, strict=True):
            hold(variable, old._unique_id, value)
        yield
    finally:
        tf.GradientTape.__enter__ = enter_tape
        for variable, old in zip(variables, real, strict=True):
            variable._value = old


def _readable(text: str) -> str:
    """The program as the compiler reads it; it means the same.

    Copies, which are operations of another dialect, become reshapes to the same shape; and the
    constants of truth values, eight to a byte here, take a byte each there.
    """
    text = re.sub(
        r"mhlo\.copy (%\S+) : (tensor<[^>]*>)", r"stablehlo.reshape \1 : (\2) -> \2", text
    )
    return re.sub(r'dense<"0x([0-9A-Fa-f]+)"> : tensor<([0-9x]+)xi1>', _unpacked, text)


def _unpacked(constant: re.Match) -> str:
    packed = np.frombuffer(bytes.fromhex(constant[1]), np.uint8)
    count = int(np.prod([int(side) for side in constant[2].split("x")]))
    if packed.size == count:
        return constant[0]
    values = np.unpackbits(packed, bitorder="little")[:count]
    return f'dense<"0x{values.tobytes().hex().upper()}"> : tensor<{constant[2]}xi1>'


def _in_place(text: str, first: int, first_output: int, count: int) -> str:
    """Says that each variable's next value may lie where it lay, as training has it."""
    pairs = ", ".join(
        '{alias = {kind = "may_alias", parameter_index = array<i64>, parameter_number = '
        f"{first + place} : i64}}, output_index = array<i64: {first_output + place}>}}"
        for place in range(count)
    )
    nothing = "mhlo.input_output_alias = []"
    if nothing not in text:
        raise ValueError("the program says already what lies where")
    return text.replace(nothing, f"mhlo.input_output_alias = [{pairs}]", 1)


def _tuples(value):
    return tuple(value) if isinstance(value, list) else value


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]), Path(sys.argv[5]))
