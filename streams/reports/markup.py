"""HTML in which every text is escaped: what is not made here cannot be markup."""

from html import escape
from typing import Final

_EMPTY: Final = frozenset({"meta", "br", "rect", "line", "circle", "path"})


class Html(str):
    """Text that is markup already. Only `element` and `joined` make it, from parts that were escaped or are markup."""

    __slots__ = ()


def element(tag: str, *children: str, **attributes: str | float) -> Html:
    """An element; children that are not `Html` are escaped, and so are attributes.

    Names of attributes that Python keeps for itself or cannot spell end in or hold `_`: `class_`, `aria_label`.
    """
    named = "".join(f' {_name(name)}="{escape(str(value), quote=True)}"' for name, value in attributes.items())
    if tag in _EMPTY:
        return Html(f"<{tag}{named}/>")
    return Html(f"<{tag}{named}>{joined(*children)}</{tag}>")


def joined(*children: str) -> Html:
    """Children one after the other."""
    return Html("".join(child if isinstance(child, Html) else escape(child, quote=True) for child in children))


def style_sheet(text: str) -> Html:
    """A style element; its text is ours, and not escaped, since browsers read it as it is."""
    return Html(f"<style>\n{text}</style>")


def _name(name: str) -> str:
    return name.removesuffix("_").replace("_", "-")
