"""Files from the internet: whole and checked, or not there at all."""

from __future__ import annotations

import hashlib
import http.client
import logging
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import IO, Any

from napari_visualccc.core.errors import ModelError
from napari_visualccc.core.files import atomic
from napari_visualccc.core.progress import Progress, silent

_BLOCK = 1 << 20
_WAIT_S = 20.0
# Hugging Face tells a file's SHA-256 in this header of the answer that points to the file.
_SHA256_HEADER = "X-Linked-Etag"
_SHA256_DIGITS = 64
_log = logging.getLogger(__name__)


def download(url: str, path: Path, *, digest: str = "", progress: Progress | None = None) -> Path:
    """Fetch a file once; a copy that is there, also one put there by hand, is only checked.

    Parameters
    ----------
    url
        Where it is.
    path
        Where it goes. Nothing is there before the whole file is and its checksum is right; what was cut off is begun
        anew.
    digest
        SHA-256 or its first hexadecimal digits; empty if nobody publishes it, then the length must be what the server
        says, and the checksum if it says one.
    progress
        Told of the share that is here; cancels between two megabytes.

    Raises
    ------
    ModelError
        If it cannot be had or is not what it should be: says why, and how to bring it here by hand.
    OutputError
        If it cannot be written.
    Cancelled
        From `progress`.
    """
    by_hand = f"Without a connection, fetch {url} on another computer and put the file at {path}"
    if path.is_file():
        if digest and not _sha256(path).startswith(digest):
            raise ModelError(f"{path} is damaged: its checksum does not begin with {digest}. Delete it and try again")
        return path
    progress = silent(progress)
    _log.warning("downloading %s to %s", url, path)
    progress(0.0, f"downloading {path.name}")
    found = hashlib.sha256()
    with atomic(path) as temporary, temporary.open("wb") as file:
        try:
            answer, promised = _open(url)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ModelError(f"{url} cannot be downloaded ({_reason(error)}). {by_hand}") from error
        with answer:
            total = int(answer.headers.get("Content-Length") or 0)
            for block in _blocks(answer, by_hand):
                found.update(block)
                file.write(block)
                progress(file.tell() / total if total else 0.0, f"downloading {path.name}")
        if total and file.tell() != total:
            raise ModelError(
                f"the download was cut off after {file.tell() / 1e6:.1f} of {total / 1e6:.1f} MB: try again. {by_hand}"
            )
        if not found.hexdigest().startswith(digest or promised):
            raise ModelError(
                f"what came from {url} has the checksum {found.hexdigest()}, not {digest or promised}: it was damaged "
                f"on the way or replaced. Try again. {by_hand}"
            )
    progress(1.0)
    return path


def _open(url: str) -> tuple[Any, str]:
    """The answer, and the checksum that a redirection promised."""
    redirected = _Redirected()
    request = urllib.request.Request(url, headers={"User-Agent": "napari-visualccc"})
    answer = urllib.request.build_opener(redirected).open(request, timeout=_WAIT_S)
    return answer, redirected.promised


class _Redirected(urllib.request.HTTPRedirectHandler):
    """Follows redirections and keeps the checksum that they tell."""

    promised = ""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        told = str(headers.get(_SHA256_HEADER) or "").strip('"')
        self.promised = told if len(told) == _SHA256_DIGITS else self.promised
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def _blocks(answer: Any, by_hand: str) -> Iterator[bytes]:
    while True:
        try:
            block = answer.read(_BLOCK)
        except (OSError, http.client.HTTPException) as error:
            raise ModelError(f"the download was cut off ({_reason(error)}): try again. {by_hand}") from error
        if not block:
            return
        yield block


def _reason(error: BaseException) -> str:
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        return f"the server answers {error.code} {error.reason}"
    return str(getattr(error, "reason", None) or error or type(error).__name__)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
