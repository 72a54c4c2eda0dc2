from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from dcis_node.model.network import PRESETS, NetworkConfig, UNet, scale_gradient


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def block(before: int, after: int) -> int:
    """Two 3x3 convolutions with bias; InstanceNorm has no parameters."""
    return 9 * before * after + after + 9 * after * after + after


@pytest.fixture(scope="module")
def paper() -> UNet:
    with torch.device("meta"):
        return UNet(PRESETS["paper"])


def test_the_paper_network_has_53_6_million_parameters(paper):
    assert count(paper) == 53_556_432
    assert f"{count(paper) / 1e6:.1f}" == "53.6"


def test_each_part_of_the_paper_network_counts_as_worked_out_by_hand(paper):
    widths = [64, 128, 256, 512, 1024]
    assert [count(part) for part in paper.down] == [block(1, 64)] + [block(w, 2 * w) for w in widths[:-1]]
    assert count(paper.middle) == block(1024, 1024)
    # Up: the map and the skip of the same width go in; half of it comes out, but for the last.
    assert [count(part) for part in paper.up] == [
        block(2048, 512), block(1024, 256), block(512, 128), block(256, 64), block(128, 64)
    ]  # fmt: skip
    assert [(m.in_channels, m.out_channels, m.kernel_size) for m in paper.final] == [
        (64, 32, (1, 1)), (32, 2, (1, 1)), (2, 2, (1, 1))
    ]  # fmt: skip
    assert count(paper.branch) == 9 * 1024 * 6 + 6 + block(6, 6) + 6 * 2 + 2


def test_the_paper_branch_has_the_channels_of_the_labs_formula():
    config = PRESETS["paper"]
    assert config.branch_channels == (config.depth - 2) * 2


def test_the_paper_preset_is_the_labs_setting():
    config = PRESETS["paper"]
    assert (config.width, config.depth, config.norm, config.dropout) == (64, 5, "instance", 0.1)
    assert (config.segmentation_classes, config.classification_classes) == (2, 2)
    assert (config.classification_pooling, config.gradient_scale) == ("max", 0.5)


def test_the_paper_network_gives_one_map_per_class_and_one_logit_per_risk(paper):
    image = torch.empty(2, 1, 1024, 1024, device="meta")
    maps = paper.encode(image)
    assert [tuple(m.shape) for m in maps] == [(2, 64 * 2**i, 1024 >> i, 1024 >> i) for i in range(5)]
    assert paper.segment(maps).shape == (2, 2, 1024, 1024)
    assert paper.classify(maps).shape == (2, 2)


@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_any_depth_and_norm_keeps_the_image_size(depth, norm):
    network = UNet(NetworkConfig(width=2, depth=depth, norm=norm, segmentation_classes=3))
    output = network(torch.rand(1, 1, 32, 64))
    assert output.segmentation.shape == (1, 3, 32, 64)
    assert output.classification.shape == (1, 2)


def test_an_image_that_cannot_be_halved_often_enough_is_refused():
    with pytest.raises(ValueError, match="multiples of 8"):
        UNet(NetworkConfig(width=2, depth=3)).encode(torch.rand(1, 1, 64, 60))


def test_the_gradient_scale_leaves_the_value_and_scales_the_gradient():
    x = torch.tensor([1.5, -2.0], requires_grad=True)
    y = scale_gradient(x, 0.15)
    assert torch.equal(y, x)
    y.sum().backward()
    assert torch.allclose(x.grad, torch.full((2,), 0.15))


def test_two_networks_in_one_process_keep_their_own_gradient_scales():
    torch.manual_seed(0)
    config = NetworkConfig(width=2, depth=2, norm="batch", dropout=0.0, gradient_scale=1.0)
    whole, none = UNet(config), UNet(replace(config, gradient_scale=0.0))
    none.load_state_dict(whole.state_dict())
    image = torch.rand(2, 1, 16, 16)
    for network in (whole, none):
        network.classify(network.encode(image)).sum().backward()
    assert whole.down[0][0].weight.grad.abs().sum() > 0
    assert none.down[0][0].weight.grad.abs().sum() == 0
    assert none.branch.reduce.weight.grad.abs().sum() > 0


def test_the_segmentation_does_not_touch_the_branch():
    network = UNet(NetworkConfig(width=2, depth=2))
    network.segment(network.encode(torch.rand(1, 1, 32, 32))).sum().backward()
    assert network.branch.output.weight.grad is None


@pytest.mark.parametrize("change", [{"width": 0}, {"norm": "group"}, {"dropout": 1.0}, {"segmentation_classes": 4}])
def test_a_setting_out_of_range_is_refused(change):
    with pytest.raises(ValidationError):
        NetworkConfig(**change)


def test_a_config_survives_its_json():
    config = PRESETS["demo"]
    assert NetworkConfig(**config.to_json()) == config
