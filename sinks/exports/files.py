"""Files that are whole or not there: written beside their place, compressed where their name says so, then moved."""

import gzip
import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, cast

GZIP_SUFFIX: Final = ".gz"


class FileRefused(Exception):
    """The file cannot be written there; the message says why and what to do."""


def refuse_existing(path: Path, *, force: bool) -> None:
    """Say early that a file would be overwritten, or has no folder to be in.

    Raises:
        FileRefused: it exists and nobody said that it may be replaced, or its folder does not exist.

    """
    if path.is_dir():
        raise FileRefused(f"{path} is a folder; name a file")
    if not path.parent.is_dir():
        raise FileRefused(f"there is no folder {path.parent}")
    if path.exists() and not force:
        raise FileRefused(f"{path} exists; give --force to replace it")


@contextmanager
def written_whole(path: Path, *, force: bool = False) -> Iterator[Path]:
    """Path to write to; what was written takes the place of `path` on leaving without an error, else it is removed.

    Only the owner can read the file: it holds what people did.

    Raises:
        FileRefused: as `refuse_existing`, also where the file appeared meanwhile; or the system refuses to write.

    """
    refuse_existing(path, force=force)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise FileRefused(f"cannot write in {path.parent}: {error.strerror}") from error
    os.close(handle)
    part = Path(name)
    try:
        yield part
        with part.open("rb") as whole:
            os.fsync(whole.fileno())
        refuse_existing(path, force=force)
        part.replace(path)
    except OSError as error:
        raise FileRefused(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def bytes_written(part: Path, *, compressed: bool) -> Iterator[IO[bytes]]:
    """A file to write bytes to. What is compressed has no time in it: equal content makes equal files."""
    with part.open("wb") as raw:
        if not compressed:
            yield raw
            return
        with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=6) as packed:
            # Small writes cost a call into the compressor each.
            buffer = io.BufferedWriter(cast("io.RawIOBase", packed), 1 << 16)
            yield buffer
            buffer.flush()
            buffer.detach()
