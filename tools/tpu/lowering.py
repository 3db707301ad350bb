"""Lowers the training step of a model to StableHLO, with TensorFlow for the platform "TPU".

    python tools/tpu/lowering.py MODEL PRECISION BATCH SHAPES.json OUT

Reads the shapes that shapes.py wrote; writes OUT.json, with an error if it fails, and OUT.mlir, the
step. It runs in a separate environment with tensorflow-tpu, which refuses operations that TPUs
lack.

Lowering for an absent platform must not capture variables, but a step changes dozens of them. So
each variable's value becomes an argument, a tensor with the assign methods replaces the variable
while the step is traced, and the function returns the values after the step.
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

os.environ |= {  # otherwise libtpu searches for a metadata server, for minutes
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_WORKER_ID": "0",
    "TPU_SKIP_MDS_QUERY": "1",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}

import keras
import numpy as np
import tensorflow as tf


def main(name: str, precision: str, batch_size: int, shapes: Path, out: Path) -> None:
    """Lowers the whole step: forward pass, gradients, optimizer updates and averages."""
    started = time.perf_counter()
    packages = ("tensorflow-tpu", "libtpu", "keras")
    report: dict = {package: importlib.metadata.version(package) for package in packages}
    try:
        text = lower(name, precision, batch_size, json.loads(shapes.read_text()))
    except Exception as error:  # any error is a result to record
        report["error"] = f"{type(error).__name__}: {error}"
    else:
        out.with_name(out.name + ".mlir").write_text(text)
    report["seconds"] = round(time.perf_counter() - started, 1)
    out.with_name(out.name + ".json").write_text(json.dumps(report, indent=1) + "\n")


def lower(name: str, precision: str, batch_size: int, shapes: dict) -> str:
    """Returns the step as StableHLO for a TPU; each variable is updated in place."""
    from gantf import config, models
    from gantf.game import DataSpec, build_game
    from gantf.training import step

    model = models.load(name)
    settings = config.make_model_config(model.Config, {"precision": precision}, name)
    spec = {key: _tuples(value) for key, value in shapes["spec"].items()}
    game = build_game(model, settings, DataSpec(**spec), 0)
    step.make_steps(game, tf.distribute.get_strategy(), batch_size, 0)  # builds the optimizers
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
        raise ValueError(f"the step captures a variable outside the game: {captured}")
    generate = function.experimental_get_compiler_ir(*specs)
    text = generate(stage="stablehlo", platform_name="TPU")
    first = len(specs) - len(variables)
    return _in_place(_readable(text), first, len(names), len(variables))


def without_variables(game, keys: Sequence[str], batch_size: int, names: list[str]) -> Callable:
    """Returns the step as a pure function: variables are arguments and results.

    Args:
      game: a game whose optimizers are built.
      keys: the keys of a batch.
      batch_size: images in one batch.
      names: an empty list; tracing fills it with the names of the logged values.

    Returns:
      A function (step number, values of each batch, values of each variable) -> the logged values,
      then the values of each variable after the step.
    """
    from gantf.training import step

    variables = list(game.variables().values())

    def run(number, *values):
        parts = [values[at : at + len(keys)] for at in range(0, len(values), len(keys))]
        batches = [dict(zip(keys, part, strict=True)) for part in parts[: game.batches_per_step]]
        with stand_ins(variables, values[game.batches_per_step * len(keys) :]):
            logged = step.train_step(game, tuple(batches), number, batch_size, 0)
            after = [tf.identity(variable._value) for variable in variables]
        names[:] = list(logged)
        return *logged.values(), *after

    return run


@contextmanager
def stand_ins(variables: Sequence[keras.Variable], values: Sequence[tf.Tensor]) -> Iterator[None]:
    """Replaces variables by tensors while a function is traced."""
    real = [variable._value for variable in variables]
    enter_tape = tf.GradientTape.__enter__

    def hold(variable, unique_id, value) -> None:
        value = tf.identity(value)

        def assign(new):
            hold(variable, unique_id, tf.cast(new, value.dtype))

        value._unique_id = unique_id  # the optimizer's key for the variable
        value.assign = assign
        value.assign_add = lambda change: assign(variable._value + change)
        value.assign_sub = lambda change: assign(variable._value - change)
        variable._value = value

    def enter(tape):  # a tape watches variables automatically, tensors only on request
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
    """Rewrites the program, without changing its meaning, so that the compiler can parse it.

    Copies are operations of another dialect; they become reshapes to the same shape. Boolean
    constants are packed eight to a byte; the compiler expects one byte each.
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
    """Marks each variable's output as an alias of its input, as in training."""
    pairs = ", ".join(
        '{alias = {kind = "may_alias", parameter_index = array<i64>, parameter_number = '
        f"{first + place} : i64}}, output_index = array<i64: {first_output + place}>}}"
        for place in range(count)
    )
    nothing = "mhlo.input_output_alias = []"
    if nothing not in text:
        raise ValueError("the program already has aliases of inputs and outputs")
    return text.replace(nothing, f"mhlo.input_output_alias = [{pairs}]", 1)


def _tuples(value):
    return tuple(value) if isinstance(value, list) else value


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]), Path(sys.argv[5]))
