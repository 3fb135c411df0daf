"""Make mutants of a module: the same source with one small mistake in it."""

from __future__ import annotations

import ast
import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
}


@dataclass(frozen=True)
class Mutant:
    """A module with one mistake in it.

    Attributes:
        line: The line of the mistake, from 1.
        function: The function or class that it is in, such as ``RetryPolicy.should_retry``; empty for the module.
        before: The code of the module there.
        after: The code of the mutant there.
        source: The mutant's source.
    """

    line: int
    function: str
    before: str
    after: str
    source: str

    def __str__(self) -> str:
        return f"{self.line}: {self.before}  ->  {self.after}"


def make_mutants(source: str) -> Iterator[Mutant]:
    """Yield the mutants of a module's source.

    Comparisons and arithmetic operators are swapped, conditions negated, operands of ``and`` and ``or`` left out,
    constants changed, and statements removed that are only a call, an assignment to an attribute, ``raise`` or
    ``return``. Annotations, type variables, docstrings and ``__all__`` are not changed.
    """
    tree = ast.parse(source)
    functions = dict(_name_functions(tree, ""))
    for node, slot in _executable_nodes(tree):
        for replacement in _alternatives(node):
            slot.put(ast.copy_location(replacement, node))
            mutated = ast.unparse(tree)
            slot.put(node)
            function = functions.get(node.lineno, "")
            yield Mutant(node.lineno, function, _first_line(node), _first_line(replacement), mutated)


def _name_functions(parent: ast.AST, prefix: str) -> Iterator[tuple[int, str]]:
    """Yield each line within a function or class with its qualified name, the innermost last."""
    for node in ast.iter_child_nodes(parent):
        name = prefix
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{prefix}.{node.name}".lstrip(".")
            yield from ((line, name) for line in range(node.lineno, (node.end_lineno or node.lineno) + 1))
        yield from _name_functions(node, name)


@dataclass(frozen=True)
class _Slot:
    """The place of a node in its tree."""

    parent: ast.AST
    field: str
    index: int | None

    def put(self, node: ast.AST) -> None:
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


def _first_line(node: ast.AST) -> str:
    return ast.unparse(node).splitlines()[0]


def _executable_nodes(tree: ast.Module) -> Iterator[tuple[ast.expr | ast.stmt, _Slot]]:
    nodes = list(ast.walk(tree))
    left_alone = {id(child) for node in nodes for part in _texts_and_types(node) for child in ast.walk(part)}
    for parent in nodes:
        for field, value in ast.iter_fields(parent):
            for index, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if id(node) not in left_alone and isinstance(node, ast.expr | ast.stmt):
                    yield node, _Slot(parent, field, index)


def _texts_and_types(node: ast.AST) -> list[ast.AST]:  # noqa: PLR0911 - one for each kind of node
    """Return the parts of a node that are an annotation, a docstring, text of a message, or for type checkers only."""
    match node:
        case ast.AnnAssign() | ast.arg():
            return [node.annotation] if node.annotation else []
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return [*([node.returns] if node.returns else []), *node.decorator_list]
        case ast.ClassDef():
            return [*node.bases, *node.keywords, *node.decorator_list]
        case ast.Expr(value=ast.Constant()):
            return [node]
        case ast.JoinedStr():
            return [part for part in node.values if isinstance(part, ast.Constant)]
        case ast.If() if ast.unparse(node.test) == "TYPE_CHECKING":
            return [node]
        case ast.Assign() if ast.unparse(node.targets[0]) == "__all__":
            return [node]
        case ast.Assign(value=ast.Call(func=ast.Name("TypeVar" | "ParamSpec"))):
            return [node]
        case _:
            return []


def _alternatives(original: ast.expr | ast.stmt) -> Iterator[ast.expr | ast.stmt]:  # noqa: C901 - one for each kind of node
    node: Any = copy.deepcopy(original)
    match node:
        case ast.Compare(ops=[operator]) if type(operator) in _COMPARISONS:
            node.ops = [_COMPARISONS[type(operator)]()]
            yield node
        case ast.BoolOp(values=values):
            for left_out in values:
                kept = [value for value in values if value is not left_out]
                yield kept[0] if len(kept) == 1 else ast.BoolOp(node.op, kept)
        case ast.BinOp(op=operator) if type(operator) in _OPERATORS:
            node.op = _OPERATORS[type(operator)]()
            yield node
        case ast.UnaryOp(op=ast.Not()):
            yield node.operand
        case ast.IfExp():
            node.body, node.orelse = node.orelse, node.body
            yield node
        case ast.If() | ast.While() if not isinstance(node.test, ast.Compare | ast.UnaryOp):
            node.test = ast.UnaryOp(ast.Not(), node.test)
            yield node
        case ast.Constant(value=bool() | int() | float() | str()):
            node.value = _other(node.value)
            yield node
        case ast.Return(value=ast.expr()) if not isinstance(node.value, ast.Constant):
            yield ast.Return(ast.Constant(None))
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.AugAssign() | ast.Raise():
            yield ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()
        case _:
            pass


def _other(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case str():
            return f"{value}XX"
        case float():
            return value * 2 + 1
        case _:
            return value + 1
