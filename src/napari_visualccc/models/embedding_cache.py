"""Vectors of micrographs that were looked at before, found again by the content of the image."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.folders import cache_folder
from napari_visualccc.core.results import fingerprint
from napari_visualccc.models.micrographs import Micrograph

# About 60 000 vectors; the oldest go first.
_MOST_BYTES = 1 << 29
_WAIT_S = 10.0
_log = logging.getLogger(__name__)


class EmbeddingCache:
    """A file of vectors, shared by all processes of a user; an interrupted run goes on where it was.

    A cache that cannot be read or written is done without: nothing is lost but time.

    Parameters
    ----------
    path
        File; in the user's cache folder by default. A damaged one is begun anew.
    most_bytes
        Older vectors are dropped beyond this.

    Examples
    --------
    >>> import tempfile
    >>> cache = EmbeddingCache(Path(tempfile.mkdtemp()) / "vectors.sqlite")
    >>> cache.put({"a": np.ones(3, np.float32)})
    >>> cache.get("a", 3), cache.get("b", 3)
    (array([1., 1., 1.], dtype=float32), None)
    """

    def __init__(self, path: Path | None = None, most_bytes: int = _MOST_BYTES) -> None:
        self.path = path or cache_folder() / "embeddings.sqlite"
        self._most_bytes = most_bytes
        self._usable = self._prepare() or self._begin_anew()

    @staticmethod
    def key(item: Micrograph, embedder_hash: str) -> str:
        """Name of the vector of a plane: its pixels, what is left out of it, its pixel size, and what looks at it.

        A mask that has still to be found goes by the name of what finds it, and its `version` if it has one: a plane
        that is known is not searched.
        """
        digest = hashlib.blake2b(fingerprint(item.planes.only(item.index)).encode(), digest_size=20)
        if callable(item.mask):
            version = getattr(item.mask, "version", "")
            digest.update(f"{item.mask.__module__}.{item.mask.__qualname__}{version}".encode())
        elif item.mask is not None:
            digest.update(np.packbits(item.mask).tobytes())
        digest.update(repr((item.pixel_size, embedder_hash)).encode())
        return digest.hexdigest()

    def get(self, key: str, length: int) -> NDArray[np.float32] | None:
        """The vector, or None if it is not known."""
        if not self._usable:
            return None
        try:
            with closing(self._connect()) as base:
                row = base.execute("SELECT vector FROM vectors WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            self._give_up(error)
            return None
        if row is None or len(row[0]) != 4 * length:
            return None
        return np.frombuffer(row[0], "<f4").astype(np.float32)

    def put(self, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Keep vectors by their names."""
        if not self._usable or not vectors:
            return
        try:
            with closing(self._connect()) as base, base:
                rows = [(key, vector.astype("<f4").tobytes()) for key, vector in vectors.items()]
                base.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)
                self._trim(base)
        except sqlite3.Error as error:
            self._give_up(error)

    def _trim(self, base: sqlite3.Connection) -> None:
        names = ("page_count", "freelist_count", "page_size")
        pages, free, size = (base.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
        if (pages - free) * size > self._most_bytes:
            base.execute("DELETE FROM vectors WHERE rowid IN (SELECT rowid FROM vectors ORDER BY rowid LIMIT 256)")

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=_WAIT_S)

    def _prepare(self) -> bool:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._connect()) as base, base:
                # A crash may cost the last vectors but not the file, and nobody waits for the disk.
                base.execute("PRAGMA journal_mode = WAL")
                base.execute("PRAGMA synchronous = NORMAL")
                base.execute("CREATE TABLE IF NOT EXISTS vectors (key TEXT PRIMARY KEY, vector BLOB)")
        except (OSError, sqlite3.Error) as error:
            _log.warning("%s cannot be used to keep embeddings: %s", self.path, error)
            return False
        return True

    def _begin_anew(self) -> bool:
        try:
            damaged = self.path.is_file() and self.path.read_bytes()[:15] != b"SQLite format 3"
            if damaged:
                self.path.unlink()
        except OSError:
            return False
        return damaged and self._prepare()

    def _give_up(self, error: Exception) -> None:
        _log.warning("%s is not used any more to keep embeddings: %s", self.path, error)
        self._usable = False
