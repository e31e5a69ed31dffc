"""What arithmetic says of printed numbers: expressions of ids, worked out over all values that print so.

An expression may come from anybody's file: it is parsed, walked, and never executed.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

from trialimpact.errors import RecordError, worded
from trialimpact.reproduce.windows import Window

Windows: TypeAlias = Mapping[str, Window]
"""For each id, all values that print so."""

LONGEST_RELATION = 2_000


def evaluate(expression: str, windows: Windows, where: str = "a relation") -> Window:
    """The range of an expression of ids, numbers, + - * / ( ) and sqrt, over all values that print so.

    Examples
    --------
    >>> evaluate("100 * a / (a + b)", {"a": (1.0, 1.0), "b": (3.0, 3.0)})
    (25.0, 25.0)
    """
    names: dict[str, str] = {}

    def stand_in(found: re.Match[str]) -> str:
        key = found[0]
        if key == "sqrt":
            return key
        if key not in windows:
            remedy = "name the id of another row, or id.lower, id.upper"
            raise RecordError(worded(f"the relation of {where!r} names {key!r}, which is not there.", remedy=remedy))
        names[f"_{len(names)}"] = key
        return f"_{len(names) - 1}"

    remedy = "write ids, numbers, + - * / ( ) and sqrt; after >= or <= for a bound"
    if len(expression) > LONGEST_RELATION or not re.fullmatch(r"[A-Za-z0-9_.+\-*/() ]+", expression):
        raise RecordError(worded(f"the relation of {where!r} is very long, or has other signs.", remedy=remedy))
    text = re.sub(r"(?<![\w.])[A-Za-z_]\w*(?:\.\w+)*", stand_in, expression, flags=re.ASCII)
    try:
        return _value(ast.parse(text.strip(), mode="eval").body, {name: windows[key] for name, key in names.items()})
    except (SyntaxError, ValueError, ArithmeticError, RecursionError, MemoryError, KeyError):
        raise RecordError(worded(f"the relation of {where!r} cannot be worked out.", remedy=remedy)) from None


def _value(node: ast.expr, names: Windows) -> Window:
    """Interval arithmetic on the few forms that a relation may have."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        value = float(node.value)
        if not math.isfinite(value):
            raise ValueError
        return value, value
    if isinstance(node, ast.Name):
        return names[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        low, high = _value(node.operand, names)
        return -high, -low
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "sqrt"
        and len(node.args) == 1
        and not node.keywords
    ):
        low, high = _value(node.args[0], names)
        return math.sqrt(low), math.sqrt(high)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        one, other = _value(node.left, names), _value(node.right, names)
        if isinstance(node.op, ast.Div) and other[0] <= 0 <= other[1]:
            raise ZeroDivisionError
        ends = [_OPERATIONS[type(node.op)](a, b) for a in one for b in other]
        return min(ends), max(ends)
    raise ValueError


_OPERATIONS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
}
