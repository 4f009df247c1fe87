"""Encoders of others, made to look at one grey channel."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import segmentation_models_pytorch as smp
import torch
from torch import nn

from napari_visualccc.core.errors import ModelError, OptionError
from napari_visualccc.models.files import EXTENSION, load_tensors
from napari_visualccc.models.nn.offers import TIMM

Triple = tuple[float, float, float]

# Mean and deviation of the colours, red first, that an encoder was shown; those of ImageNet unless named here.
_IMAGENET: tuple[Triple, Triple] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_HALF: tuple[Triple, Triple] = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
_DPN: tuple[Triple, Triple] = ((124 / 255, 117 / 255, 104 / 255), (1 / (0.0167 * 255),) * 3)
_OTHERS = {"inception": _HALF, "xception": _HALF, "dpn": _DPN, "tu-tf_efficientnet_lite": _HALF}
# What training on several GPUs, or a network around the encoder, writes before each name.
_WRAPPERS = ("module.", "encoder.", "backbone.")


def colours_of(encoder: str) -> tuple[Triple, Triple]:
    """Mean and deviation of red, green and blue that an encoder expects, for values in 0 … 1."""
    return next((value for start, value in _OTHERS.items() if encoder.startswith(start)), _IMAGENET)


def read_foreign(path: Path) -> dict[str, torch.Tensor]:
    """Read weights by name, without the wrappers in their names.

    Parameters
    ----------
    path
        A ``.safetensors`` file; or one of PyTorch's that holds nothing but tensors.

    Raises
    ------
    ModelError
        If it cannot be read, or holds anything that would have to be unpickled: that could run any program.
    """
    if path.suffix == EXTENSION:
        return _unwrapped({name: torch.tensor(value) for name, value in load_tensors(path).items()})
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelError(f"{path} cannot be opened: {error.strerror or error}") from error
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path} is not a model file, or holds more than weights, which is not opened because it could run any "
            f"program: save the weights alone, best as {EXTENSION}"
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ModelError(f"{path} is damaged or not a model file: {' '.join(str(error).split())[:200]}") from error
    while isinstance(found, Mapping) and isinstance(found.get("state_dict"), Mapping):
        found = found["state_dict"]
    if not isinstance(found, Mapping):
        raise ModelError(f"{path} holds no weights by name")
    tensors = {str(name): value for name, value in found.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise ModelError(f"{path} holds no weights by name")
    return _unwrapped(tensors)


def _unwrapped(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    for wrapper in _WRAPPERS:
        inside = {name.removeprefix(wrapper): value for name, value in tensors.items() if name.startswith(wrapper)}
        tensors = inside or tensors
    return {name.replace("features.module.", "features."): value for name, value in tensors.items()}


def grey_tensors(encoder: str, path: Path) -> dict[str, torch.Tensor]:
    """Weights of a file as an encoder of one grey channel names them.

    Raises
    ------
    OptionError
        If there is no such encoder.
    ModelError
        If the file cannot be read or belongs to another encoder.
    """
    tensors = read_foreign(path)
    try:
        network = _filled(encoder, tensors)
    except KeyError as error:
        raise OptionError(f"encoder {encoder!r} is not known: {error}") from error
    except (RuntimeError, ValueError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"{path} holds no weights of encoder {encoder}: {reason}") from error
    to_grey(network, *colours_of(encoder))
    return {name: value.detach() for name, value in network.state_dict().items()}


def _filled(encoder: str, tensors: dict[str, torch.Tensor]) -> Any:
    """Encoder with the weights, of as many channels as they have."""
    words: dict[str, Any] = {"in_channels": 3, "weights": None}
    if not encoder.startswith(TIMM):
        network = smp.encoders.get_encoder(encoder, **words)
        first = next(name for name, module in network.named_modules() if isinstance(module, nn.Conv2d))
        if first + ".weight" in tensors and tensors[first + ".weight"].shape[1] == 1:
            network.set_in_channels(1)
        network.load_state_dict(tensors)
        return network
    words |= {"weights": True, "pretrained_cfg_overlay": {"state_dict": tensors}}
    return smp.encoders.get_encoder(encoder, **words)


@torch.no_grad()  # type: ignore[untyped-decorator]
def to_grey(network: nn.Module, mean: Triple, deviation: Triple) -> None:
    """Let a network of three colours take one standardised grey channel, in place.

    Parameters
    ----------
    network
        Whose first convolutions look at red, green and blue, each normalised as ``(v - mean) / deviation``.
    mean, deviation
        Of the three colours.

    Notes
    -----
    Our images are standardised: ``x = (g - m) / s`` has deviation 1. The grey value g in 0 … 1 is taken to be one of a
    photograph, with the mean m and the deviation s of ImageNet's colours, whatever constants the encoder subtracts and
    divides by. As red, green and blue it would be ``x s / deviation + (m - mean) / deviation``,
    which is linear in x: the kernels of the three colours are summed with the weights ``s / deviation``, and what is
    left is a constant, which goes into the convolution's bias or the mean of the normalisation behind it. Only where
    the image ends is there a difference: the margin of zeros is grey to one and coloured to the other.
    """
    colours, spread = torch.tensor(mean, dtype=torch.float64), torch.tensor(deviation, dtype=torch.float64)
    usual_mean, usual_spread = (torch.tensor(one, dtype=torch.float64).mean() for one in _IMAGENET)
    scale, shift = usual_spread / spread, (usual_mean - colours) / spread
    modules = list(network.modules())
    for place, module in enumerate(modules):
        if not isinstance(module, nn.Conv2d) or module.in_channels != 3 or module.groups != 1:
            continue
        kernel = module.weight.double()
        constant = (kernel * shift[:, None, None]).sum(dim=(1, 2, 3))
        module.weight = nn.Parameter((kernel * scale[:, None, None]).sum(dim=1, keepdim=True).to(module.weight.dtype))
        module.in_channels = 1
        # Paddings and the like, which hold nothing, may lie between a convolution and its normalisation.
        behind = next((one for one in modules[place + 1 :] if one.state_dict()), None)
        if module.bias is not None:
            module.bias += constant
        elif isinstance(behind, nn.BatchNorm2d) and behind.running_mean is not None:
            behind.running_mean -= constant
