"""Which element of a map a name stands for, by the function's text: for messages that say how to name it."""

from __future__ import annotations

import ast

from bpfvm.compiler.frontend.source.proof import locate
from bpfvm.compiler.frontend.translation import Translation

_FINDS = ("get", "setdefault")
_UNKNOWN = "m[k]"
_MOST = 8  # names that stand for names


def element(f: Translation, node: ast.expr, depth: int = 0) -> str:
    """`node` with the element in the place of the name at its start: `flows[a].count` of `v.count` behind
    `v = flows.get(a)` or `for a, v in flows.items()`. m[k] stands there where the text does not tell, as of a
    parameter, or of a name that is bound twice."""
    name = _root(node)
    behind = f.quoted(node).removeprefix(name)
    bound = _bound(locate(f.frame.function).node, name)
    if depth == _MOST or name in f.frame.inner or len(bound) != 1:
        return _UNKNOWN + behind
    match bound[0]:
        case ast.Call(func=ast.Attribute(value=owner, attr=how), args=[key, *_]) if how in _FINDS:
            return f"{f.quoted(owner)}[{f.quoted(key)}]{behind}"
        case ast.Subscript(value=owner, slice=key) if _root(owner) not in f.scope.local:
            return f"{f.quoted(owner)}[{f.quoted(key)}]{behind}"
        case ast.Name() | ast.Attribute() | ast.Subscript() as other if _root(other) in f.scope.local:
            return element(f, other, depth + 1) + behind
    return _UNKNOWN + behind


def _root(node: ast.expr) -> str:
    """The name at the start of a chain, "" where it starts otherwise."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _bound(function: ast.AST, name: str) -> list[ast.AST]:
    """What the name is bound to, at each place that binds it: an element; of anything else the node that binds it."""
    found: list[ast.AST] = []
    known: list[ast.expr] = []  # names that are bound to what is found
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=targets, value=value):
                known += (same := [one for one in targets if isinstance(one, ast.Name) and one.id == name])
                found += [value] * len(same)
            case ast.NamedExpr(target=ast.Name(id=one) as target, value=value) if one == name:
                known.append(target)
                found.append(value)
            case ast.For(
                target=ast.Tuple(elts=[key, ast.Name(id=one) as target]),
                iter=ast.Call(func=ast.Attribute(value=owner, attr="items"), args=[]),
            ) if one == name:
                known.append(target)
                found.append(ast.Subscript(owner, key, ast.Load()))
            case ast.Name(id=one, ctx=ast.Store()) if one == name and node not in known:
                found.append(node)
            case ast.arg(arg=one) | ast.MatchAs(name=one) if one == name:
                found.append(node)
    return found
