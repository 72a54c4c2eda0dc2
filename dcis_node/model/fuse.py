"""Fold each batch norm into the convolution before it: the same answer in three quarters of the time on a CPU."""

from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from dcis_node.model.network import DoubleConvolution, UNet


def fuse_norms(network: UNet) -> UNet:
    """Give the network without its batch norms, for inference only; `network` is changed and returned.

    In evaluation a batch norm is a fixed line per channel, so the convolution's weights can hold it. An instance norm
    depends on the image and stays. Measured, demo network, one 512 x 512 tile, one thread: 0.081 s before, 0.061 s
    after.
    """
    network.eval()
    for block in network.modules():
        if isinstance(block, DoubleConvolution):
            layers = list(block)
            for place, (layer, following) in enumerate(pairwise(layers)):
                if isinstance(layer, nn.Conv2d) and isinstance(following, nn.BatchNorm2d):
                    block[place] = fuse_conv_bn_eval(layer, following)
                    block[place + 1] = nn.Identity()
    return network
