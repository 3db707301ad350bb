"""The notebooks under docs/ are valid, hold no outputs, and run from top to bottom."""

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
NAMES = ("first_evaluation", "comparing_runs", "foreign_generator")

# Cells in one namespace; the last expression of each is shown as a notebook would show it.
RUNNER = """
import ast, json, sys
space = {"__name__": "__main__"}
for place, cell in enumerate(json.load(sys.stdin)):
    body = ast.parse(cell).body
    last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), f"cell {place}", "exec"), space)
    if last is not None:
        value = eval(compile(ast.Expression(last.value), f"cell {place}", "eval"), space)
        shown = [getattr(value, f"_repr_{form}_", None) for form in ("png", "html")]
        pictures = [show() for show in shown if show is not None]
        print(place, type(value).__name__, [len(picture) for picture in pictures if picture])
"""


def read(name):
    return nbformat.read(DOCS / f"{name}.ipynb", as_version=4)


def test_these_are_all_notebooks():
    assert {path.stem for path in DOCS.glob("**/*.ipynb")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_valid_and_holds_no_outputs(name):
    notebook = read(name)
    nbformat.validate(notebook)
    assert notebook.cells[0].cell_type == "markdown"
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None


@pytest.mark.parametrize(
    "name", [NAMES[0], *(pytest.param(name, marks=pytest.mark.slow) for name in NAMES[1:])]
)
def test_a_notebook_runs(name, tmp_path):
    cells = [cell.source for cell in read(name).cells if cell.cell_type == "code"]
    done = subprocess.run(
        [sys.executable, "-c", RUNNER],
        input=json.dumps(cells),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert any("Drawing" in line for line in done.stdout.splitlines()) or name == NAMES[2]
