"""The mutants of a module: its syntax tree with one small mistake each, of the kinds that people make in a law.

Not touched: sentences for people, annotations, `assert` (it states what the types cannot), and what stands outside functions.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
_COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_CALLED = {"min": "max", "max": "min", "any": "all", "all": "any", "sorted": "list", "reversed": "list"}


@dataclass(frozen=True)
class Mutant:
    """One mistake: where, what was changed, and the tree of the whole module with it."""

    lines: range  # of what was changed; of a condition, where that stands
    statement: int  # the line where the statement around it begins
    function: str  # qualified name
    what: str
    tree: ast.Module

    def __str__(self) -> str:
        return f"{self.lines.start} {self.function}: {self.what}"


def mutants(source: str) -> Iterator[Mutant]:
    """All of them, in the order of the source."""
    tree = ast.parse(source)
    statement = 0
    for function, node in _inside(tree, ""):
        if isinstance(node, ast.stmt):
            statement = node.lineno
        for what, put in _changes(node):
            twin = copy.deepcopy(tree)
            target = _same(tree, twin, node)
            replacement = put(target)
            if replacement is not target:
                _Swap(target, replacement).visit(twin)
            ast.fix_missing_locations(twin)
            yield Mutant(_lines(node), statement, function, what, twin)


def _lines(node: ast.AST) -> range:
    first: ast.expr | ast.stmt | ast.pattern
    match node:
        case ast.comprehension(target=first, iter=iterated, ifs=ifs):
            last = [iterated, *ifs][-1].end_lineno
        case ast.match_case(pattern=first, guard=guard):
            last = (guard or first).end_lineno
        case (ast.If(test=test) | ast.While(test=test)) as first:
            last = test.end_lineno
        case ast.expr() | ast.stmt() as first:
            last = first.end_lineno
        case _:
            raise AssertionError(f"nothing of a {type(node).__name__} is ever changed")
    return range(first.lineno, (last or first.lineno) + 1)


def _inside(node: ast.AST, function: str) -> Iterator[tuple[str, ast.AST]]:
    """The nodes that may be changed, each with the function around it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            name = f"{function}.{child.name}" if function else child.name
            for part in child.body:
                if isinstance(child, ast.FunctionDef):
                    yield from _mutable(part, name)
                else:
                    yield from _inside(ast.Module(body=[part], type_ignores=[]), name)


def _mutable(node: ast.AST, function: str) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node, ast.Assert | ast.JoinedStr):  # a sentence with values in it
        return
    if isinstance(node, ast.FunctionDef):
        for part in node.body:
            yield from _mutable(part, f"{function}.{node.name}")
        return
    yield function, node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "type_comment"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _is_cast(node, child):
                yield from _mutable(child, function)


def _is_cast(node: ast.AST, child: ast.AST) -> bool:
    """The type in a `cast(type, value)`: of no effect."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "cast"
        and child is node.args[0]
    )


def _same(tree: ast.AST, twin: ast.AST, node: ast.AST) -> ast.AST:
    for one, other in zip(ast.walk(tree), ast.walk(twin), strict=True):
        if one is node:
            return other
    raise AssertionError("a node outside of its tree")


class _Swap(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self._old, self._new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return self._new if node is self._old else self.generic_visit(node)


def _changes(node: ast.AST) -> Iterator[tuple[str, object]]:
    """What can go wrong at this node: a word for it, and a function that does it to the node's twin."""
    text = ast.unparse(node) if isinstance(node, ast.expr | ast.stmt) else ""
    short = text if len(text) < 70 and "\n" not in text else text.split("\n")[0][:70] + "…"
    match node:
        case ast.Compare():
            for at, op in enumerate(node.ops):
                for other in _COMPARED[type(op)]:
                    yield f"{short}: {_word(op)} becomes {_word(other())}", _setter_in("ops", at, other)
        case ast.BoolOp(op=op, values=values):
            other = ast.Or if isinstance(op, ast.And) else ast.And
            yield f"{short}: `{_word(op)}` becomes `{_word(other())}`", _setter("op", other)
            for at in range(len(values)):
                yield f"{short}: without `{ast.unparse(values[at])}`", _without_value(at)
        case ast.UnaryOp(op=ast.Not()):
            yield f"{short}: without `not`", lambda twin: twin.operand
        case ast.BinOp(op=op) if type(op) in _COMPUTED and not isinstance(node.left, ast.Constant | ast.JoinedStr):
            yield f"{short}: {_word(op)} becomes {_word(_COMPUTED[type(op)]())}", _setter("op", _COMPUTED[type(op)])
            if isinstance(op, ast.BitOr | ast.BitAnd):
                yield f"{short}: the left alone", lambda twin: twin.left
                yield f"{short}: the right alone", lambda twin: twin.right
        case ast.AugAssign(op=op) if type(op) in _COMPUTED:
            yield f"{short}: {_word(op)} becomes {_word(_COMPUTED[type(op)]())}", _setter("op", _COMPUTED[type(op)])
            yield f"{short}: removed", lambda twin: ast.copy_location(ast.Pass(), twin)
        case ast.Constant(value=bool(value)):
            yield f"{value} becomes {not value}", _setter("value", lambda: not value)
        case ast.Constant(value=int(value)):
            yield f"{value} becomes {value + 1}", _setter("value", lambda: value + 1)
            yield f"{value} becomes {value - 1}", _setter("value", lambda: value - 1)
        case ast.Constant(value=str(value)) if value and " " not in value:
            yield f"{value!r} becomes another word", _setter("value", lambda: "another")
        case ast.If(test=test) | ast.IfExp(test=test):
            yield f"if {ast.unparse(test)}: never", _setter("test", lambda: ast.Constant(False))
            if not isinstance(test, ast.Compare | ast.UnaryOp):
                yield f"if {ast.unparse(test)}: the opposite", _setter("test", lambda: ast.UnaryOp(ast.Not(), test))
            if isinstance(node, ast.If) and not any(isinstance(one, ast.NamedExpr) for one in ast.walk(test)):
                yield f"if {ast.unparse(test)}: always", _setter("test", lambda: ast.Constant(True))
        case ast.While(test=test):
            yield f"while {ast.unparse(test)}: never", _setter("test", lambda: ast.Constant(False))
        case ast.comprehension(ifs=ifs):
            for at, test in enumerate(ifs):
                yield f"for … if {ast.unparse(test)}: whatever", _without_condition(at)
        case ast.Return(value=value) if value is not None and not (
            isinstance(value, ast.Constant) and value.value in (None, True, False)
        ):
            yield f"{short}: None", _setter("value", lambda: ast.Constant(None))
        case ast.Expr(value=ast.Call()):
            yield f"{short}: removed", lambda twin: ast.copy_location(ast.Pass(), twin)
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]) | ast.Delete():
            yield f"{short}: removed", lambda twin: ast.copy_location(ast.Pass(), twin)
        case ast.Continue() | ast.Break():
            yield f"{short}: removed", lambda twin: ast.copy_location(ast.Pass(), twin)
        case ast.Continue():
            yield f"{short}: break", lambda twin: ast.copy_location(ast.Break(), twin)
        case ast.Call(func=ast.Name(id=name)) if name in _CALLED:
            yield f"{short}: {_CALLED[name]}", _renamed(_CALLED[name])
            if name == "sorted" and node.keywords:
                yield f"{short}: without its key", _without_keywords
        case ast.Call(keywords=keywords) if keywords:
            for at, keyword in enumerate(keywords):
                yield f"{short}: without {keyword.arg}=", _without_keyword(at)
        case ast.match_case(pattern=ast.MatchAs(pattern=None)):
            return
        case ast.match_case(pattern=pattern, guard=guard):
            yield f"case {ast.unparse(pattern)}: never", _setter("guard", lambda: ast.Constant(False))
            if guard is not None:
                yield f"case … if {ast.unparse(guard)}: whatever", _setter("guard", lambda: None)
            if isinstance(pattern, ast.MatchOr):
                for at, one in enumerate(pattern.patterns):
                    yield f"case {ast.unparse(pattern)}: not {ast.unparse(one)}", _without_pattern(at)


def _word(op: ast.AST) -> str:
    return type(op).__name__


def _setter(name: str, make):  # type: ignore[no-untyped-def]
    def put(twin):  # type: ignore[no-untyped-def]
        setattr(twin, name, make())
        return twin

    return put


def _setter_in(name: str, at: int, make):  # type: ignore[no-untyped-def]
    def put(twin):  # type: ignore[no-untyped-def]
        getattr(twin, name)[at] = make()
        return twin

    return put


def _without_value(at: int):  # type: ignore[no-untyped-def]
    def put(twin):  # type: ignore[no-untyped-def]
        del twin.values[at]
        return twin.values[0] if len(twin.values) == 1 else twin

    return put


def _without_condition(at: int):  # type: ignore[no-untyped-def]
    def put(twin):  # type: ignore[no-untyped-def]
        del twin.ifs[at]
        return twin

    return put


def _without_keyword(at: int):  # type: ignore[no-untyped-def]
    def put(twin):  # type: ignore[no-untyped-def]
        del twin.keywords[at]
        return twin

    return put


def _without_keywords(twin):  # type: ignore[no-untyped-def]
    twin.keywords = [keyword for keyword in twin.keywords if keyword.arg != "key"]
    return twin


def _without_pattern(at: int):  # type: ignore[no-untyped-def]
    def put(twin):  # type: ignore[no-untyped-def]
        del twin.pattern.patterns[at]
        if len(twin.pattern.patterns) == 1:
            twin.pattern = twin.pattern.patterns[0]
        return twin

    return put


def _renamed(name: str):  # type: ignore[no-untyped-def]
    def put(twin):  # type: ignore[no-untyped-def]
        twin.func = ast.Name(name, ast.Load())
        return twin

    return put
