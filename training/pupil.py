"""A network that learns to see in a disturbed micrograph what its teacher sees in the micrograph as it is.

Self-supervised: it needs no truth, so that real micrographs can take part. The teacher is an encoder that knows
photographs and stays as it is, hence what it tells apart cannot collapse into one, as it can when teacher and pupil
learn together (Grill et al. 2020, arXiv:2006.07733; Romero et al. 2015, arXiv:1412.6550). The pupil may be
the same encoder: then it keeps what it knows while it learns of micrographs, and gets used to noise, blur and contrast.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from napari_visualccc.models.nn.encoders import begin
from napari_visualccc.models.nn.patches import Augmentation, disturb
from napari_visualccc.models.nn.trunk import Trunk, new_trunk
from napari_visualccc.models.nn.unet import SegmentationNetwork
from napari_visualccc.models.zoo import AUTO, DEFAULT_ENCODER

# Levels of the encoders that are compared, from the deepest: at 1/8, 1/16 and 1/32 of the resolution that they see.
# The deepest knows what is there, the others where.
LEVELS = 3
# More than Segment's own disturbances: the encoder is to see the same through very different detectors.
DISTURBANCE = Augmentation(contrast=0.3, noise=0.4, blur=1.5)


class Pupil(nn.Module):
    """A segmentation network beside its teacher.

    Its weights are those of the network and of one translating layer for each level of the encoder that is compared.
    Without a teacher, the network learns alone, from micrographs disturbed in the same way.
    """

    def __init__(self, network: SegmentationNetwork, teacher: Trunk | None) -> None:
        super().__init__()
        self.network = network
        # In a list, the teacher is no part of the module: it is neither trained nor stored.
        self._teacher: list[Trunk] = []
        self._seen: list[torch.Tensor] = []
        if teacher is None:
            return
        own, theirs = (part.encoder.out_channels[-LEVELS:] for part in (network, teacher))
        self.translations = nn.ModuleList(_translation(*pair) for pair in zip(own, theirs, strict=True))
        self._teacher.append(teacher.eval().requires_grad_(False))
        network.encoder.register_forward_hook(lambda module, given, levels: self._seen.extend(levels[-LEVELS:]))

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Outputs for micrographs (N, 1, Y, X), and how unlike the teacher's view theirs is, 0 … 2, shape (N,).

        In training the network is shown the micrographs disturbed, its teacher as they are. Without a teacher,
        nothing is unlike.
        """
        self._seen.clear()
        shown = self._disturbed(images) if self.training else images
        outputs = self.network(shown)
        if not self._teacher:
            return outputs, outputs.new_zeros(len(images))
        with torch.no_grad():
            wanted = self.taught(images)
        unlike = [
            (1 - F.cosine_similarity(translate(own).float(), theirs.float(), dim=1)).mean(dim=(1, 2))
            for translate, own, theirs in zip(self.translations, self._seen, wanted, strict=True)
        ]
        return outputs, torch.stack(unlike).mean(dim=0)

    def _disturbed(self, images: torch.Tensor) -> torch.Tensor:
        generator = torch.Generator(images.device).manual_seed(int(torch.randint(2**62, ())))
        return disturb(images, DISTURBANCE, generator)

    def taught(self, images: torch.Tensor) -> list[torch.Tensor]:
        """What the teacher sees of (N, 1, Y, X) at the reduction that the network works at: (N, C, y, x) per level."""
        teacher = self._teacher[0].to(images.device)
        return list(teacher.encoder(F.avg_pool2d(images, self.network.reduction))[-LEVELS:])


def _translation(own: int, theirs: int) -> nn.Conv2d:
    layer = nn.Conv2d(own, theirs, 1)
    if own == theirs:
        # The same encoder begins with seeing what its teacher sees.
        nn.init.dirac_(layer.weight)
        nn.init.zeros_(layer.bias)
    return layer


def photographs_teacher() -> Trunk:
    """The encoder that comes with the package and was learnt from photographs."""
    teacher = new_trunk(DEFAULT_ENCODER, uses_greys=False)
    begin(teacher, DEFAULT_ENCODER, AUTO)
    return teacher
