"""Dropout that is the same again."""

import torch
from torch.nn import functional as F

from napari_visualccc.models.nn.chance import repeatable


def test_draws_depend_on_the_number_alone_and_leave_those_of_others_as_they_are():
    def dropped(number):
        with repeatable(number, "cpu"):
            return F.dropout(torch.ones(100), 0.5)

    torch.manual_seed(3)
    untouched = torch.rand(4)
    torch.manual_seed(3)
    first = dropped(1)
    assert torch.equal(torch.rand(4), untouched)
    assert torch.equal(dropped(1), first)
    assert not torch.equal(dropped(2), first)
