"""The files of the page, read once; a path is looked up among them and never on the disk."""

import hashlib
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final, NamedTuple

_TYPES: Final = {
    "css": "text/css",
    "html": "text/html",
    "js": "text/javascript",
    "svg": "image/svg+xml",
    "txt": "text/plain",
}


class PageFile(NamedTuple):
    """A file as it is sent; the tag changes with its content."""

    content: bytes
    content_type: str
    tag: str


def page_files() -> Mapping[str, PageFile]:
    """Files by their path below the root; the page itself has the empty path as well."""
    found = dict(_below(files("streams.serving") / "static", ""))
    return {**found, "": found["index.html"]}


def _below(folder: Traversable, path: str) -> "list[tuple[str, PageFile]]":
    found = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _below(entry, f"{path}{entry.name}/")
            continue
        content_type = _TYPES.get(entry.name.rpartition(".")[2])
        if content_type is not None:
            content = entry.read_bytes()
            tag = hashlib.sha256(content).hexdigest()[:16]
            found.append((f"{path}{entry.name}", PageFile(content, content_type, tag)))
    return found
