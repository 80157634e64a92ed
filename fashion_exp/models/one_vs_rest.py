"""The last step of a head that was trained with one binary cross-entropy per class."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class OneVsRest(nn.Module):
    """Passes logits on in training; in evaluation gives log-sigmoids, whose softmax is the sigmoids
    divided by their sum.

    Binary cross-entropy is lowest where the sigmoid of a class is the class's probability. The
    softmax of the logits themselves would be overconfident: it divides odds by their sum.
    """

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        return logits if self.training else F.logsigmoid(logits)
