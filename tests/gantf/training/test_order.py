"""The optimized graph of a step reads every variable before the next write to it."""

import collections

import pytest

from tests import games

PASSED_ON = ("Identity", "Enter", "Switch", "Merge")


def optimized(tf, name):
    """Returns the traced body of a small game's loop, and the graph that ran after optimization."""
    from tensorflow.python.eager import context

    from gantf.distribute import strategies

    strategy, data = strategies.make("one-device"), games.make_data(name, games.GRAY)
    game = games.make_game(strategy, name, data)
    compiled, make_given = games.make_loop(tf, strategy, game, data)
    values = make_given(1)
    traced = compiled.run.get_concrete_function(*values).graph
    (loop,) = (op for op in traced.get_operations() if op.type == "While")
    context.enable_run_metadata()
    try:
        compiled.run(*values)
        ran = context.export_run_metadata().function_graphs
    finally:
        context.disable_run_metadata()
    graphs = [graph.post_optimization_graph for graph in ran]
    body = traced._get_function(loop.get_attr("body").name).graph
    return body, max(graphs, key=lambda graph: len(graph.node))


def unordered(body, graph):
    """Counts the pairs of a variable's reads and writes, and lists the pairs without an order."""
    order = {op.name: place for place, op in enumerate(body.get_operations())}
    nodes = {node.name: node for node in graph.node}

    def inputs(node):
        return [nodes[name.lstrip("^").split(":")[0]] for name in node.input]

    def variable(node):
        (node, *_) = inputs(node)
        while node.op in PASSED_ON:
            (node, *_) = inputs(node)
        return node.name

    def place(node):
        parts = node.name.split("/")
        names = ("/".join(parts[first:]) for first in range(len(parts)))
        return next(order[name] for name in names if name in order)

    def before(node):
        seen, left = set(), [node]
        while left:
            node = left.pop()
            for other in [] if node.op == "Merge" else inputs(node):  # a merge begins a round
                if other.name not in seen:
                    seen.add(other.name)
                    left.append(other)
        return seen

    touching = collections.defaultdict(list)
    for node in graph.node:
        if node.op == "ReadVariableOp" or node.op.startswith("Assign"):
            touching[variable(node)].append(node)
    pairs, lost = 0, []
    for name, ops in touching.items():
        reads, written = [], []
        for node in sorted(ops, key=place):
            earlier, is_read = before(node), node.op == "ReadVariableOp"
            wanted = written if is_read else written + reads
            pairs += len(wanted)
            lost += [(name, other.name, node.name) for other in wanted if other.name not in earlier]
            reads, written = ([*reads, node], written) if is_read else ([], [node])
    return pairs, lost


@pytest.mark.parametrize("name", ["gan", "wgan"])
def test_every_read_stays_before_the_next_write(tf, name):
    pairs, lost = unordered(*optimized(tf, name))
    assert pairs > 100
    assert not lost


def test_the_pass_that_is_turned_off_would_lose_some(tf, monkeypatch):
    """If this test fails, the option and the test above are no longer needed."""
    from gantf.training import determinism

    def turned_on():
        tf.config.optimizer.set_experimental_options({"dependency_optimization": True})

    monkeypatch.setattr(determinism, "keep_reads_before_writes", turned_on)
    _, lost = unordered(*optimized(tf, "wgan"))
    assert lost
