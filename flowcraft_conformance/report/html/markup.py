"""HTML and SVG from Python values. Every text is escaped on its way in: what a target returned can never be markup."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import NewType

Markup = NewType("Markup", str)
"""Text that is HTML already."""

Child = Markup | str | int | None | Iterable["Child"]

_VOID = {"meta", "img", "br", "rect", "line", "circle", "path", "polygon"}
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


class _Written(str):
    """Marks what went through :func:`tag`, as a type that survives at run time."""

    __slots__ = ()


def raw(text: str) -> Markup:
    """Text of the kit's own that is HTML already, such as the style sheet. Never what came from a target."""
    return Markup(_Written(text))


def text(value: object) -> Markup:
    """Escaped text; what has no picture, or turns the direction of writing, is shown as its code."""
    shown = _UNSEEN.sub(lambda found: f"\\u{ord(found.group()):04x}", str(value))
    return raw(html.escape(shown, quote=True))


def join(*children: Child) -> Markup:
    """The children one after the other."""
    return raw("".join(_pieces(children)))


def tag(name: str, /, *children: Child, **attributes: str | int | float | None) -> Markup:
    """One element. An attribute that is None is left out; ``class_`` is ``class``, and ``_`` in a name is ``-``."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(_number(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return raw(f"<{name}{written}/>")
    return raw(f"<{name}{written}>{join(*children)}</{name}>")


def prose(value: str) -> Markup:
    """Text of the catalogue, in which code stands between backticks."""
    parts = value.split("`")
    if len(parts) % 2 == 0:
        return join(value)
    return join([tag("code", part) if number % 2 else part for number, part in enumerate(parts)])


def command(line: str) -> Markup:
    """A command to be copied, broken between its words only."""
    words = [tag("span", word) for word in line.split(" ")]
    spaced = [piece for word in words for piece in (" ", word)][1:]
    return tag("pre", tag("code", spaced), class_="command")


def _number(value: str | int | float) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _pieces(children: Iterable[Child]) -> Iterable[str]:
    for child in children:
        if child is None:
            continue
        if isinstance(child, _Written):
            yield child
        elif isinstance(child, str | int):
            yield text(child)
        else:
            yield from _pieces(child)
