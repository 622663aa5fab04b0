"""Edge conditions and transforms: untrusted text, read as an expression and never run as code."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from simpleeval import EvalWithCompoundTypes

_TOKEN = re.compile(
    r"""(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')"""
    r"""|(?P<operator>===|!==|&&|\|\||!(?!=))"""
    r"""|(?P<name>(?<![\w.])[A-Za-z_]\w*)"""
)
_PYTHON = {"===": "==", "!==": "!=", "&&": " and ", "||": " or ", "!": " not "}
_WORDS = {"and", "or", "not", "in", "if", "else", "is", "True", "False", "None", "for"}
_CONSTANTS: Mapping[str, Any] = {
    "true": True,
    "false": False,
    "null": None,
    "undefined": None,
    "True": True,
    "False": False,
    "None": None,
}
_FUNCTIONS: Mapping[str, Any] = {
    "len": len,
    "str": str,
    "int": int,
    "float": float,
    "abs": abs,
    "min": min,
    "max": max,
    "sum": sum,
    "round": lambda number, digits=0: _round(number, digits),
}
_MOST_DIGITS = 400
_LONGEST = 10_000
"""Characters: longer text is no condition that somebody wrote."""


def _round(number: Any, digits: Any) -> Any:
    if abs(digits) > _MOST_DIGITS:
        raise ValueError(f"round() takes at most {_MOST_DIGITS} digits, not {digits}")
    return round(number, digits) if digits else round(number)


class _Reader(EvalWithCompoundTypes):  # type: ignore[misc]
    """Fields are those of JSON objects. Methods would let a condition change what it looks at, or fill the memory."""

    def _eval_attribute(self, node: ast.Attribute) -> Any:
        owner = self._eval(node.value)
        if isinstance(owner, Mapping) and node.attr in owner:
            return owner[node.attr]
        raise ValueError(f"there is no field {node.attr!r} in {type(owner).__name__}")

    def _eval_call(self, node: ast.Call) -> Any:
        if not isinstance(node.func, ast.Name):
            raise ValueError("only functions that are known by name can be called")  # noqa: TRY004
        return super()._eval_call(node)

    def _eval_binop(self, node: ast.BinOp) -> Any:
        if isinstance(node.op, ast.Mod) and not isinstance(self._eval(node.left), int | float):
            raise ValueError("% takes numbers")  # noqa: TRY004
        return super()._eval_binop(node)


class SafeEvaluator:
    """The default ``IEvaluator``: Python expressions without loops, assignments or attributes of objects.

    JavaScript's ``===``, ``!==``, ``&&``, ``||``, ``!``, ``true``, ``false`` and ``null`` are understood, and
    ``result.output`` reads a field of an object, so that the conditions of upstream's blueprints work.
    """

    def evaluate(self, expression: str, variables: Mapping[str, Any]) -> Any:
        """The value of the expression.

        Raises:
            ValueError: it is no expression this evaluator knows, or it fails on these variables.
        """
        evaluator = _Reader(names={**_CONSTANTS, **variables}, functions=dict(_FUNCTIONS))
        try:
            return evaluator.eval(expression, previously_parsed=_parsed(expression))
        except ValueError:
            raise
        except Exception as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error

    def check(self, expression: str) -> None:
        """Read the expression without evaluating it; raises ValueError where it is none."""
        _parsed(expression)


@lru_cache(maxsize=1024)
def _parsed(expression: str) -> Any:
    if len(expression) > _LONGEST:
        raise ValueError(f"an expression has at most {_LONGEST} characters, this has {len(expression)}")
    translated = _TOKEN.sub(_in_python, expression).strip()
    try:
        ast.parse(translated, mode="eval")  # one expression, no statement
        return EvalWithCompoundTypes.parse(translated)
    except Exception as error:
        raise ValueError(f"{expression!r} is no expression: {error}") from error


def _in_python(found: re.Match[str]) -> str:
    operator = found.group("operator")
    return found.group() if operator is None else _PYTHON[operator]


@lru_cache(maxsize=1024)
def names_in(expression: str) -> frozenset[str]:
    """The variables that an expression may refer to, whatever evaluator reads it."""
    found = {match.group("name") for match in _TOKEN.finditer(expression)}
    return frozenset(name for name in found if name is not None and name not in _WORDS and name not in _CONSTANTS)
