"""Fold batch normalisation into the convolutions before it: the same network with fewer passes over memory."""

from __future__ import annotations

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

# Blocks of timm whose parts are used in the order in which they are listed. Known by name: `torch.fx` would find out,
# but swaps `nn.Module.__call__` while it looks, under the feet of networks that run in other threads.
_IN_ORDER = ("EfficientNetFeatures", "DepthwiseSeparableConv", "InvertedResidual")


def fused(network: nn.Module) -> nn.Module:
    """Fold every `BatchNorm2d` that directly follows a `Conv2d`, in place; the network must be in eval mode.

    Within `nn.Sequential` and the blocks of timm's EfficientNets neighbours follow each other. Elsewhere (a residual
    block) only the naming convention of torchvision tells, ``conv1`` with ``bn1``; blocks that break it are left alone.
    """
    for module in network.modules():
        children = list(module.named_children())
        if isinstance(module, nn.Sequential) or type(module).__name__ in _IN_ORDER:
            pairs = list(zip(children, children[1:], strict=False))
        elif _keeps_naming(module):
            named = dict(children)
            pairs = [((n, c), ("bn" + n[4:], named["bn" + n[4:]])) for n, c in children if "bn" + n[4:] in named
                     and n.startswith("conv")]  # fmt: skip
        else:
            continue
        for (first, conv), (second, norm) in pairs:
            if not (isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)):
                continue
            after = _what_follows(norm)
            if after is not None and conv.out_channels == norm.num_features:
                setattr(module, first, fuse_conv_bn_eval(conv, norm))
                setattr(module, second, after)
    return network


def _what_follows(norm: nn.BatchNorm2d) -> nn.Module | None:
    """What a normalisation does after normalising: nothing, or timm's activation; None if that is not known."""
    if type(norm) is nn.BatchNorm2d:
        return nn.Identity()
    act, drop = getattr(norm, "act", None), getattr(norm, "drop", None)
    return act if type(norm).__name__ == "BatchNormAct2d" and isinstance(drop, nn.Identity) else None


def _keeps_naming(module: nn.Module) -> bool:
    """True for torchvision's ResNet and its blocks, whose forward applies ``bnN`` right after ``convN``."""
    from torchvision.models import resnet

    return isinstance(module, resnet.BasicBlock | resnet.Bottleneck | resnet.ResNet)
