"""Where a mistake can be made in a file: not in what no test can or should notice."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.plugins import get_operator

Place = tuple[int, int]
"""A line and a column."""


@dataclass(frozen=True)
class Site:
    """The n-th place at which an operator can be applied."""

    operator: str
    occurrence: int
    place: Place


def sites(source: str, operators: list[str]) -> list[Site]:
    """Every site of a file outside what is left out."""
    out, nodes = list(left_out(ast.parse(source))), list(ast_nodes(get_ast(source)))
    found = []
    for name in operators:
        operator = get_operator(name)()
        places = [start for node in nodes for start, _ in operator.mutation_positions(node)]
        for occurrence, place in enumerate(places):
            if not any(low <= place < high for low, high in out):
                found.append(Site(name, occurrence, place))
    return found


def left_out(tree: ast.AST) -> Iterator[tuple[Place, Place]]:
    """Annotations, decorators, what is raised, how an object is shown, and whether `zip` is strict."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield from map(span, node.decorator_list)
        if isinstance(node, ast.FunctionDef) and (node.returns is not None):
            yield span(node.returns)
        if isinstance(node, ast.FunctionDef) and node.name in ("__repr__", "_repr_html_", "__str__"):
            yield span(node)
        if isinstance(node, ast.AnnAssign | ast.arg) and node.annotation is not None:
            yield span(node.annotation)
        if isinstance(node, ast.Raise):
            yield span(node)
        if isinstance(node, ast.keyword) and node.arg == "strict":
            yield span(node.value)


def span(node: ast.expr | ast.stmt) -> tuple[Place, Place]:
    """Where a node begins and ends."""
    return (node.lineno, node.col_offset), (node.end_lineno or node.lineno, node.end_col_offset or 0)


def compiles(source: str | None) -> bool:
    """Whether it is a program at all."""
    try:
        compile(source or "(", "mutant", "exec")
    except (SyntaxError, ValueError):
        return False
    return True
