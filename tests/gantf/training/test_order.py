"""The order of reads, writes and sums in the optimized graph of a step."""

import collections
import contextlib

import pytest

from tests import games

PASSED_ON = ("Identity", "Enter", "Switch", "Merge")


def optimized(tf, name, **settings):
    """Returns the traced body of a small game's loop, and the graph that ran after optimization."""
    from tensorflow.python.eager import context

    from gantf.distribute import strategies

    strategy, data = strategies.make("one-device"), games.make_data(name, games.GRAY)
    game = games.make_game(strategy, name, data, **settings)
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
        names = (
            "/".join(parts[first:last])  # shorter in a branch: the place of the whole branch
            for last in range(len(parts), 0, -1)
            for first in range(last)
        )
        return next(order[name] for name in names if name in order)

    def begins_round(node):
        return node.op == "Merge" and any(n.op == "NextIteration" for n in inputs(node))

    def before(node):
        seen, left = set(), [node]
        while left:
            node = left.pop()
            for other in [] if begins_round(node) else inputs(node):
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


MAY_SHARE = ("Const", "Identity", "OptionalGetValue", "ReadVariableOp", "Reshape", "Slice")


def sums_without_order(graph):
    """Lists the sums of three or more terms whose order may change from run to run.

    `AddN` begins with the first term that no other operation holds. If that is one of the first
    two, the order is fixed, since a swap of these two changes nothing.
    """
    nodes = {node.name: node for node in graph.node}
    terms_of = {
        node.name: [term.split(":")[0] for term in node.input if not term.startswith("^")]
        for node in graph.node
    }
    uses = collections.Counter(term for terms in terms_of.values() for term in terms)

    def free(name):
        return uses[name] == 1 and nodes[name].op not in MAY_SHARE

    return [
        name
        for name, terms in terms_of.items()
        if nodes[name].op == "AddN" and len(terms) > 2 and not any(map(free, terms[:2]))
    ]


SLOW = [
    pytest.param(name, marks=pytest.mark.slow)
    for name in ("wgan", "cyclegan", "r3gan", "stylegan2")
]


@pytest.mark.parametrize("name", ["gan", *SLOW])
def test_every_read_and_sum_has_one_order(tf, name):
    body, graph = optimized(tf, name)
    pairs, lost = unordered(body, graph)
    assert pairs > 100
    assert not lost
    assert not sums_without_order(graph)


def test_the_order_of_sums_has_to_be_fixed(tf, monkeypatch):
    """If this test fails, `fixed_order_sums` is no longer needed."""
    from gantf.training import determinism

    monkeypatch.setattr(determinism, "fixed_order_sums", contextlib.nullcontext)
    _, graph = optimized(tf, "gan", latent_dim=5, ema_half_life_images=0, penalty_every_steps=2)
    assert sums_without_order(graph)


@pytest.mark.slow
def test_the_pass_that_is_turned_off_would_lose_some(tf, monkeypatch):
    """If this test fails, the option and the test above are no longer needed."""
    from gantf.training import determinism

    def turned_on():
        tf.config.optimizer.set_experimental_options({"dependency_optimization": True})

    monkeypatch.setattr(determinism, "keep_reads_before_writes", turned_on)
    _, lost = unordered(*optimized(tf, "wgan"))
    assert lost
