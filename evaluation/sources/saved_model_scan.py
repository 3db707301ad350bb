"""Scans a SavedModel for operations that do more than compute, before it is loaded.

A SavedModel is a program. These operations of TensorFlow are refused everywhere: in a graph, and in
the body of every function, even if nothing calls it.

    reads files           ReadFile, *Reader of files, datasets of files, tables from files, Restore*
    writes files          WriteFile, Save*, summaries' writers, Snapshot*, CacheDataset, Debug*
    calls Python          PyFunc, PyFuncStateless, EagerPyFunc
    opens connections     Rpc*, DataService*, RegisterDataset*, SqlDataset, distributed TPUs

Every SavedModel has SaveV2, RestoreV2 and MergeV2Checkpoints. They pass if only the model's own
saver reaches them, for the loader gives them the file's name. An operation that TensorFlow does not
have is refused too.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from evaluation.errors import InputError
from evaluation.runtime.tensorflow import import_tensorflow

READS = """ReadFile WholeFileReader TextLineReader FixedLengthRecordReader TFRecordReader LMDBReader
    RecordInput MatchingFiles MatchingFilesDataset TextLineDataset TFRecordDataset LMDBDataset
    FixedLengthRecordDataset CSVDataset LoadDataset ListSnapshotChunksDataset SnapshotChunkDataset
    SnapshotDatasetReader SnapshotNestedDatasetReader InitializeTableFromTextFile ImmutableConst
    LoadAndRemapMatrix GenerateVocabRemapping Restore RestoreSlice DecodeProto EncodeProto"""
WRITES = """WriteFile Save SaveSlices MergeV2Checkpoints SaveDataset SnapshotDataset CacheDataset
    DatasetToTFRecord DistributedSave CreateSummaryFileWriter CreateSummaryDbWriter DebugIdentity
    DebugNanCount DebugNumericSummary"""
PYTHON = "PyFunc PyFuncStateless EagerPyFunc"
CONNECTS = """RpcClient RpcCall RpcServer RpcServerRegister RpcServerStart RpcCheckStatus
    RpcGetValue Rpc TryRpc DataServiceDataset RegisterDataset SqlDataset FileSystemSetConfiguration
    ConfigureDistributedTPU WorkerHeartbeat"""
REFUSED = {
    name: action
    for action, names in (
        ("reads files", READS),
        ("writes files", WRITES),
        ("calls Python", PYTHON),
        ("opens connections", CONNECTS),
    )
    for name in names.split()
}
SAVER_OPERATIONS = ("SaveV2", "RestoreV2", "MergeV2Checkpoints")
INITIALISERS = ("saved_model_main_op", "legacy_init_op")  # collections that run at loading


def refusal(operation: str, attributes: Any = None) -> str | None:
    """Returns the reason to refuse an operation ("reads files"), or None.

    Args:
      operation: its name in TensorFlow; versions (V2) and Experimental variants are treated alike.
      attributes: a node's `attr`, which decides for some operations.
    """
    base = re.sub(r"V\d+$", "", operation.removeprefix("Experimental"))
    if base in REFUSED:
        return REFUSED[base]
    if attributes is None:
        return None
    if base == "Print" and attributes["output_stream"].s.startswith(b"file://"):
        return "writes files"
    if base == "TensorSliceDataset" and attributes["is_files"].b:
        return "reads files"
    if base == "FixedUnigramCandidateSampler" and attributes["vocab_file"].s:
        return "reads files"
    if base in ("Copy", "CopyHost") and attributes["debug_ops_spec"].list.s:
        return "opens connections"
    return None


def parse(path: Path) -> Any:
    """Returns the content of a saved_model.pb.

    Raises:
      InputError: the file is no SavedModel.
    """
    import_tensorflow()
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    content = saved_model_pb2.SavedModel()
    try:
        content.ParseFromString(path.read_bytes())
    except (OSError, DecodeError) as error:
        raise _damaged(path, str(error)) from None
    if not content.meta_graphs:
        raise _damaged(path, "no graph in it")
    return content


def _damaged(path: Path, reason: str) -> InputError:
    return InputError(
        f"{path.parent} cannot be loaded as a SavedModel ({reason}); it is damaged or of another "
        "program: export the generator again."
    )


def check(content: Any, directory: Path) -> None:
    """Refuses a SavedModel with operations that do more than compute.

    Raises:
      InputError: the model has such operations; the line names them and their actions.
    """
    refused: dict[str, str] = {}
    for graph in content.meta_graphs:
        own = _only_the_savers(graph)
        functions = {function.signature.name for function in graph.graph_def.library.function}
        for place, node in _nodes(graph):
            if node.op in functions:
                continue
            why = refusal(node.op, node.attr)
            if why and not (node.op in SAVER_OPERATIONS and place in own):
                refused[node.op] = why
            elif not why and not _exists(node.op):
                refused[node.op] = "is no operation of TensorFlow"
    if refused:
        listed = ", ".join(f"{name} {why}" for name, why in sorted(refused.items()))
        raise InputError(
            f"{directory} does more than compute: {listed}. Give --trust if you know its author, "
            "or export the generator alone."
        )


def _exists(operation: str) -> bool:
    tf = import_tensorflow()
    from tensorflow.python.framework import op_def_registry

    return hasattr(tf.raw_ops, operation) or op_def_registry.get(operation) is not None


def _nodes(graph: Any) -> Iterator[tuple[str, Any]]:
    """Yields every node with its place: "node NAME" in the graph, "function NAME" in a body."""
    for node in graph.graph_def.node:
        yield f"node {node.name}", node
    for function in graph.graph_def.library.function:
        for node in function.node_def:
            yield f"function {function.signature.name}", node


def _only_the_savers(graph: Any) -> set[str]:
    """Returns the places that only the saver reaches."""
    saver = graph.saver_def
    ends = [name.split(":")[0] for name in (saver.save_tensor_name, saver.restore_op_name) if name]
    others = [
        tensor.name.split(":")[0]
        for signature in graph.signature_def.values()
        for tensor in signature.outputs.values()
    ]
    for key in INITIALISERS:
        others += list(graph.collection_def[key].node_list.value)
        others += [
            text.decode(errors="replace") for text in graph.collection_def[key].bytes_list.value
        ]
    attached = list(graph.object_graph_def.concrete_functions)
    return _reached(graph, ends, []) - _reached(graph, others, attached)


def _reached(graph: Any, ends: Iterable[str], functions: Iterable[str]) -> set[str]:
    """Returns the places that must run to compute some nodes, or to call some functions."""
    nodes = {node.name: node for node in graph.graph_def.node}
    bodies = {body.signature.name: body for body in graph.graph_def.library.function}
    waiting = [f"node {name.split(':')[0]}" for name in ends]
    waiting += [f"function {name}" for name in functions]
    reached: set[str] = set()
    while waiting:
        place = waiting.pop()
        kind, _, name = place.partition(" ")
        if place in reached or name not in (nodes if kind == "node" else bodies):
            continue
        reached.add(place)
        inside = [nodes[name]] if kind == "node" else bodies[name].node_def
        if kind == "node":
            sources = nodes[name].input
            waiting += [f"node {source.lstrip('^').split(':')[0]}" for source in sources]
        for node in inside:
            waiting += [f"function {called}" for called in _called(node)]
    return reached


def _called(node: Any) -> list[str]:
    """Returns the functions that a node may call: its operation, and those in its attributes."""
    called = [node.op]
    for value in node.attr.values():
        called += [value.func.name, *(function.name for function in value.list.func)]
    return called
