"""The pixel classifier's parts."""

import pytest
import torch
from torch.nn import functional as F

from napari_visualccc.models.nn.pixels import _enlarged


@pytest.mark.parametrize("shape", [(1, 3, 5, 7), (2, 16, 1, 1), (1, 4, 9, 1), (1, 16, 34, 33)])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_enlarging_is_linear_interpolation(shape, layout):
    values = torch.randn(shape, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=layout)
    expected = F.interpolate(values, scale_factor=2.0, mode="bilinear", align_corners=False)
    torch.testing.assert_close(_enlarged(values, expected.shape[-2:]), expected)
    less = _enlarged(values, (2 * shape[2] - 1, 2 * shape[3] - 1))
    torch.testing.assert_close(less, expected[..., :-1, :-1])
