"""Finds and loads a saved generator, with its generator.json or with an inferred contract."""

import dataclasses
from pathlib import Path

from evaluation.errors import InputError
from evaluation.runtime import metrics_log
from evaluation.sources import contract as contracts
from evaluation.sources import (
    contract_inference,
    drawing,
    keras_file,
    missing,
    onnx_file,
    saved_model,
    signature_matching,
    torch_file,
)
from evaluation.sources.contract_inference import InferredContract
from evaluation.sources.drawing import Generator
from evaluation.sources.options import GeneratorOptions
from evaluation.sources.program import Program
from evaluation.sources.sampler import Sampler
from evaluation.sources.saved_model import MODEL_FILE

HUB_FILE = "tfhub_module.pb"
GENERATOR, BEST = "generator", "best"  # in a training run: RUN/generator, RUN/best/generator
SUFFIXES = (*keras_file.SUFFIXES, *onnx_file.SUFFIXES, *torch_file.SUFFIXES)


def find(path: str | Path, step: int | None = None) -> Path | None:
    """Returns the directory of a generator: `path`, or an export in a training run; or None.

    Args:
      path: a directory.
      step: the step of the export in a run; None for the best checkpoint's export, or else the
        last one.

    Raises:
      InputError: the run has no export of that step.
    """
    path = Path(path)
    if step is not None:
        for file in sorted(path.glob(f"**/generator*/{contracts.FILE_NAME}")):
            if contracts.read(file).step == step:
                return file.parent
        raise InputError(
            f"step={step}: {path} has no exported generator of that step; write one with "
            f"gantf export {path} --checkpoint {step}, or leave it out."
        )
    names = (MODEL_FILE, contracts.FILE_NAME, HUB_FILE)
    for directory in (path, path / BEST / GENERATOR, path / GENERATOR):
        if any((directory / name).is_file() for name in names):
            return directory
    return None


def load(path: str | Path, options: GeneratorOptions | None = None) -> Sampler:
    """Loads a generator; runs it only if its file does not declare the size of its images.

    Args:
      path: the directory of a SavedModel or of a training run, or a .keras, .h5, .onnx, .pt or
        .pt2 file.
      options: overrides of generator.json, or of inferred values. Without both, latents N(0, 1) and
        the range [-1, 1] are assumed, and listed in `Sampler.inferred`.

    Raises:
      InputError: the generator is missing, damaged, of another kind, or does more than compute; the
        line names the remedy.
    """
    options = options or GeneratorOptions()
    place = Path(path)
    if place.suffix.lower() not in SUFFIXES or place.is_dir():
        directory = find(place, options.step)
        if directory is None:
            raise InputError(
                f"{path} holds no generator; give a directory with {MODEL_FILE} and "
                f"{contracts.FILE_NAME}, as training exports to RUN_DIR/generator."
            )
        place = directory
    elif options.step is not None:
        raise InputError(f"step={options.step}: {path} is no training run; leave it out.")
    file = place / contracts.FILE_NAME if place.is_dir() else place.with_suffix(".json")
    declared = contracts.read(file) if file.is_file() else None
    if declared is not None:
        declared = contract_inference.override(declared, options, str(place))
    program = _load_program(place, options.trust)
    if declared is None:
        match = signature_matching.match_inferred(program, options, str(place))
        inference = contract_inference.complete(match, options, str(place))
    else:
        by_name = place.is_dir() or declared.latents is None
        match = (
            signature_matching.match_declared(program, declared, str(place))
            if by_name
            else signature_matching.match_inferred(program, options, str(place))
        )
        inference = InferredContract(declared, (), False)
    run_dir = next((up for up in place.parents[:2] if (up / metrics_log.FILE).is_file()), None)
    if run_dir == Path(path) and declared is not None and declared.step is not None:
        which = place.relative_to(run_dir)
        note = f"the run's checkpoint: that of step {declared.step}, in {which}"
        inference = dataclasses.replace(inference, notes=(*inference.notes, note))
    loaded = Generator(str(path), program, match, inference, options.batch_size, run_dir)
    if options.labels == "reference":
        return drawing.labelled_by_reference(loaded)
    return drawing.sampler(loaded)


def _load_program(place: Path, trust: bool) -> Program:
    suffix = place.suffix.lower()
    if place.is_dir():
        if (place / HUB_FILE).is_file() and not (place / MODEL_FILE).is_file():
            raise InputError(
                f"{place} is a module in TF-Hub's first format, which TensorFlow 2 does not load; "
                "export it as a SavedModel with a program of TensorFlow 1."
            )
        if not (place / MODEL_FILE).is_file():
            raise InputError(f"{place} has no {MODEL_FILE}; export the generator again.")
        return saved_model.load(place, trust)
    if not place.is_file():
        raise missing.does_not_exist(str(place), "give a saved generator")
    if suffix in keras_file.SUFFIXES:
        return keras_file.load(place, trust)
    if suffix in onnx_file.SUFFIXES:
        return onnx_file.load(place)
    return torch_file.load(place, trust)
