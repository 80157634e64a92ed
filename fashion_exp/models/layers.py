"""The layers of a network: their learning rates, and whether stochastic depth acts on any."""

from __future__ import annotations

from torch import nn

LayerGroup = tuple[list[nn.Parameter], float]
"""Parameters, and their learning rate as a share of the backbone's."""


def drops_paths(model: nn.Module) -> bool:
    """Whether stochastic depth acts on a residual branch of a model in training mode."""
    from timm.layers import DropPath  # takes seconds

    paths = [module for module in model.train().modules() if isinstance(module, DropPath)]
    return any(path.training and path.drop_prob for path in paths)


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
