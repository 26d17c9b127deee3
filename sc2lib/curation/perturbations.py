"""Ways in which a copied Python program changes without becoming another program: a matcher should not be fooled."""

import ast
import builtins
from collections.abc import Callable


def tabs(source: str) -> str:
    """One tab for every four spaces."""
    return source.replace("    ", "\t")


def airy(source: str) -> str:
    """An empty line after every line."""
    return source.replace("\n", "\n\n")


def printed(source: str) -> str:
    """The program as Python prints its syntax tree: comments gone, quotes and brackets made uniform."""
    return ast.unparse(ast.parse(source))


def renamed(source: str) -> str:
    """Every parameter and local variable under another name; what the program does is unchanged."""
    tree = ast.parse(source)
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        bound = ""
        if isinstance(node, ast.arg):
            bound = node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound = node.id
        if bound and not hasattr(builtins, bound):
            names.setdefault(bound, f"renamed_{len(names)}")
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.arg = names.get(node.arg, node.arg)
        elif isinstance(node, ast.Name):
            node.id = names.get(node.id, node.id)
    return ast.unparse(tree)


PERTURBATIONS: dict[str, Callable[[str], str]] = {
    "verbatim": str,
    "tabs for spaces": tabs,
    "empty lines": airy,
    "upper case": str.upper,
    "printed anew": printed,
    "variables renamed": renamed,
}
