"""Models on disk: one ``.safetensors`` file, the card in its header. Nothing is ever unpickled."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.errors import ModelError
from napari_visualccc.core.files import atomic
from napari_visualccc.models.card import ModelCard
from napari_visualccc.models.compact import joined

EXTENSION = ".safetensors"
# In the header of a file of ours: the card.
KEY = "visualccc"
# The format allows 100 MB of header; a card has some thousand characters.
_LONGEST_HEADER = 100_000_000


@dataclass(frozen=True)
class ModelFile:
    """A model read from disk.

    Attributes
    ----------
    card
        What it is.
    tensors
        Its weights by name.
    hash
        BLAKE2b of the file, for provenance.
    path
        Where it came from.
    """

    card: ModelCard
    tensors: Mapping[str, NDArray[Any]]
    hash: str
    path: Path


def save_model(path: str | Path, card: ModelCard, tensors: Mapping[str, NDArray[Any]]) -> Path:
    """Write a model; an old file of the name is replaced only when the new one is complete.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    return save_tensors(path, tensors, {KEY: card.to_json()})


def save_tensors(path: str | Path, tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> Path:
    """Write tensors and texts as one safetensors file."""
    from safetensors.numpy import save

    path = Path(path)
    content = save({name: np.asarray(value, order="C") for name, value in tensors.items()}, metadata=dict(metadata))
    with atomic(path) as temporary:
        temporary.write_bytes(content)
    return path


def read_card(path: str | Path) -> ModelCard:
    """Read the card of a model file without its weights.

    Raises
    ------
    ModelError
        If the file is missing, is not a model, or is not one of ours.
    """
    path = Path(path)
    metadata = read_metadata(path)
    if KEY not in metadata:
        raise ModelError(f"{path} holds weights without a card: it was not made by napari-visualccc")
    return ModelCard.from_json(metadata[KEY], str(path))


def read_metadata(path: Path) -> dict[str, str]:
    """Texts in the header of a safetensors file.

    Raises
    ------
    ModelError
        If it is not such a file, or not the whole of it.
    """
    foreign = f"{path} is not a model file (expected {EXTENSION}, as written by napari-visualccc)"
    try:
        with path.open("rb") as file:
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else _LONGEST_HEADER + 1
            if length > _LONGEST_HEADER:
                raise ModelError(foreign)
            header = json.loads(file.read(length))
        size = path.stat().st_size
    except OSError as error:
        raise ModelError(f"{path} cannot be opened: {error.strerror or error}") from error
    except ValueError as error:
        raise ModelError(foreign) from error
    if not isinstance(header, dict):
        raise ModelError(foreign)
    metadata = dict(header.pop("__metadata__", None) or {})
    try:
        expected = 8 + length + max((tensor["data_offsets"][1] for tensor in header.values()), default=0)
    except (KeyError, IndexError, TypeError) as error:
        raise ModelError(foreign) from error
    if size != expected:  # a download or a copy that broke off
        raise ModelError(f"{path} is damaged: it has {size} bytes, and by its header should have {expected}")
    return metadata


def load_tensors(path: str | Path) -> dict[str, NDArray[Any]]:
    """Read all tensors of a safetensors file, those stored in 8 bits as float16.

    Raises
    ------
    ModelError
        If it is damaged or of another format.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    path = Path(path)
    try:
        return joined(load(path.read_bytes()))
    except OSError as error:
        raise ModelError(f"{path} cannot be opened: {error.strerror or error}") from error
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise ModelError(f"{path} is damaged or not a model file: {error}") from error


def load_model(path: str | Path) -> ModelFile:
    """Read a model: first its card, then its weights.

    Raises
    ------
    ModelError
        In words, if something does not fit.
    """
    path = Path(path)
    card = read_card(path)
    tensors = load_tensors(path)
    return ModelFile(card, tensors, file_hash(path), path)


def file_hash(path: Path) -> str:
    """BLAKE2b of a file's bytes."""
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    return f"blake2b:{digest.hexdigest()}"
