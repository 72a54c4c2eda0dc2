import pytest
import torch
from torch import nn

from dcis_node.model.fuse import fuse_norms
from dcis_node.model.network import NetworkConfig, UNet


def trained(norm: str) -> UNet:
    torch.manual_seed(0)
    network = UNet(NetworkConfig(width=4, depth=2, norm=norm, dropout=0.1))
    for _ in range(3):
        network(torch.rand(4, 1, 32, 32))
    return network.eval()


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_the_answer_stays_the_same(norm):
    network, image = trained(norm), torch.rand(2, 1, 32, 32)
    with torch.inference_mode():
        before = network(image)
        after = fuse_norms(network)(image)
    torch.testing.assert_close(after.segmentation, before.segmentation, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(after.classification, before.classification, rtol=1e-4, atol=1e-5)


def test_no_batch_norm_is_left_and_every_instance_norm_is():
    assert not any(isinstance(m, nn.BatchNorm2d) for m in fuse_norms(trained("batch")).modules())
    assert sum(isinstance(m, nn.InstanceNorm2d) for m in fuse_norms(trained("instance")).modules()) == 12
