"""The layers of a network, each with a learning rate of its own."""

from __future__ import annotations

from torch import nn

LayerGroup = tuple[list[nn.Parameter], float]
"""Parameters, and their learning rate as a share of the backbone's."""


def layer_groups(network: nn.Module, decay: float) -> list[LayerGroup]:
    """The trainable parameters of a network without a last layer, from input to output.

    The k-th layer below the head has the share decay**k (Clark et al. 2020, ELECTRA; Bao et al.
    2022, BEiT). The network's `group_matcher` says what a layer is, as everywhere in timm. A decay
    of 1 gives one group.
    """
    if decay == 1:
        return [([p for p in network.parameters() if p.requires_grad], 1.0)]
    from timm.optim import param_groups_layer_decay  # takes seconds

    groups = param_groups_layer_decay(
        network, weight_decay=0.0, weight_decay_exclude_1d=False, layer_decay=decay
    )
    # timm counts from the last layer that the network has; ours is the head.
    return [(group["params"], group["lr_scale"] * decay) for group in groups]
