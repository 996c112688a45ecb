"""The depth networks: equal to the published ones, and well-behaved at any size."""

from __future__ import annotations

import hashlib
import json
import math
from typing import NamedTuple

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import torch_threads
from goldens import assert_l2_close, assert_stats, assert_within, strided
from hypothesis import given, settings
from hypothesis import strategies as st
from parity_recipes import fill, model_input, triplet
from torch import nn

import networks
from networks.layers import GeluLinear, normalise
from networks.lite_mono import AttentionBlock, CrossCovarianceAttention, DilatedBlock, pooled_images
from networks.registry import MONODEPTH2

SIZES = [(192, 640), (320, 1024)]
MULTIPLES_OF_32 = st.integers(1, 4).map(lambda n: 32 * n)

# float32 against float64 differs by 1.6e-7 in disparity and 6e-7 to 1.1e-6 in features (parity README, section 3).
DISPARITY_ATOL = 1e-6
FEATURE_RTOL = 3e-6
# Single samples of inner maps are noisier than the maps' norms.
SAMPLE_RTOL = 1e-5


@pytest.fixture(scope="module", autouse=True)
def two_threads():
    with torch_threads(2):
        yield


@pytest.fixture(scope="module")
def facts(parity):
    return json.loads((parity / "facts.json").read_text())


@pytest.fixture(scope="module")
def stats(parity):
    return json.loads((parity / "model_stats.json").read_text())


def filled(name: str, height: int, width: int) -> networks.DepthNet:
    net = networks.create(name, height=height, width=width)
    fill(net.encoder)
    fill(net.decoder)
    return net


def signature(module: nn.Module) -> list[list]:
    return [[k, [*t.shape], str(t.dtype).removeprefix("torch.")] for k, t in module.state_dict().items()]


# --- equal to the published networks ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", networks.names("disparity"))
def test_tensors_have_the_published_names_shapes_types_and_order(parity, name):
    published = json.loads((parity / "state_dict_keys.json").read_text())["modules"][name]
    net = networks.create(name, height=192, width=640)
    assert signature(net.encoder) == published["encoder"]
    assert signature(net.decoder) == published["depth"]


def test_the_four_published_variants_are_listed(facts):
    assert networks.names("disparity") == ["lite-mono", "lite-mono-small", "lite-mono-tiny", "lite-mono-8m"]
    assert set(networks.names("disparity")) == set(facts["models"])


@pytest.mark.parametrize("name", networks.names("disparity"))
def test_structure_is_the_published_one(facts, name):
    fact = facts["models"][name]
    net = networks.create(name, height=192, width=640, drop_path=0.2)
    assert sum(p.numel() for p in net.encoder.parameters()) == fact["params"]["encoder"]
    assert sum(p.numel() for p in net.decoder.parameters()) == fact["params"]["decoder"]
    assert [*net.encoder.widths] == fact["num_ch_enc"]
    assert [len(stage) for stage in net.encoder.stages] == fact["depth"]
    kinds = {"DilatedConv": DilatedBlock, "LGFI": AttentionBlock}
    for stage, expected in zip(net.encoder.stages, fact["block_types"], strict=True):
        assert [type(block) for block in stage] == [kinds[kind] for kind in expected]
    rates = [getattr(block.drop_path, "drop_prob", 0.0) for stage in net.encoder.stages for block in stage]
    assert rates == [rate for stage in fact["drop_path_rates_in_block_order"] for rate in stage]
    epsilons = {(type(m), m.eps) for m in net.modules() if isinstance(m, nn.BatchNorm2d | nn.LayerNorm)}
    assert epsilons == {(nn.BatchNorm2d, 1e-5), (nn.LayerNorm, 1e-6)}


def dilations(net: networks.DepthNet) -> list[list[int]]:
    return [[block.ddwconv.conv.dilation[0] for block in [*stage][:-1]] for stage in net.encoder.stages]


@pytest.mark.parametrize("name", networks.names("disparity"))
def test_dilations_follow_the_input_size(facts, name):
    published = facts["models"][name]["dilations"]
    for height, width in SIZES:
        assert dilations(networks.create(name, height=height, width=width)) == published[f"{height}x{width}"]
    for height, width in [(96, 320), (1024, 320), (320, 640)]:
        assert dilations(networks.create(name, height=height, width=width)) == published["192x640"]


def test_the_weight_recipe_is_the_kits(stats):
    net = filled("lite-mono", 192, 640)
    tensors = {**net.encoder.state_dict(), **net.decoder.state_dict()}
    for key, check in stats["fill_checks"].items():
        assert [*tensors[key].shape] == check["shape"]
        assert_within(tensors[key].numpy().ravel()[:4], check["first4"], f"{key} first values", atol=0)
        assert math.isclose(tensors[key].double().sum().item(), check["sum"], rel_tol=1e-6), key


class Run(NamedTuple):
    """One pass of a published case: its name and numbers, and what each module made, by name."""

    case: str
    stats: dict
    image: torch.Tensor
    features: list[torch.Tensor]
    disps: list[torch.Tensor]
    maps: dict[str, torch.Tensor]


CASES = [f"{name}_{height}x{width}" for height, width in SIZES for name in networks.names("disparity")]


@pytest.fixture(scope="module", params=CASES)
def run(stats, request) -> Run:
    name, _, size = request.param.partition("_")
    height, width = map(int, size.split("x"))
    net = filled(name, height, width).eval()
    maps = {}
    for part in (net.encoder, net.decoder):
        for key, module in part.named_modules():
            module.register_forward_hook(lambda _m, _i, out, key=key: maps.__setitem__(key, out))
    image = model_input(height, width, stats[request.param]["input_seed"])
    with torch.no_grad():
        features = net.encoder(image)
        disps = net.decoder(features)
        maps |= {
            f"input_downsample.{i}": pooled for i, pooled in enumerate(pooled_images(normalise(image, MONODEPTH2), 4))
        }
        maps |= {key.replace("pwconv1", "act"): F.gelu(maps[key]) for key in list(maps) if key.endswith("pwconv1")}
        maps["stages.0.3.pos_embd.token_projection#input"] = whole_position_code(net, height // 4, width // 4)
    return Run(request.param, stats[request.param], image, features, disps, maps)


def test_outputs_are_the_published_ones(parity, run):
    assert hashlib.sha256(run.image.numpy().tobytes()).hexdigest() == run.stats["input_sha256"]
    with np.load(parity / f"model_{run.case}.npz") as golden:
        for key in golden.files:
            maps = run.disps if key.startswith("disp") else run.features
            actual = strided(maps[int(key[4])], key)
            if key.startswith("disp"):
                assert_within(actual, golden[key], f"{run.case} {key}", atol=DISPARITY_ATOL)
            else:
                assert_l2_close(actual, golden[key], FEATURE_RTOL, f"{run.case} {key}")
    for kind, maps in (("features", run.features), ("disp", run.disps)):
        for i, (tensor, expected) in enumerate(zip(maps, run.stats[kind], strict=True)):
            assert [*tensor.shape] == expected["shape"]
            assert_stats(tensor, expected, f"{run.case} {kind}[{i}]", rtol=SAMPLE_RTOL)


@pytest.mark.parametrize("run", CASES[:5], indirect=True)  # the kit has the inner maps of these
def test_every_inner_map_is_the_published_one(run):
    """In the order of computation, so that the first failure names the first module that differs."""
    assert len(run.stats["modules"]) > 90
    for key, expected in run.stats["modules"].items():
        assert run.maps[key].numel() == math.prod(expected["shape"]), f"{key} has shape {tuple(run.maps[key].shape)}"
        assert_stats(run.maps[key], expected, f"{run.case} {key}", rtol=SAMPLE_RTOL)


def whole_position_code(net: networks.DepthNet, height: int, width: int) -> torch.Tensor:
    code = net.encoder.stages[0][3].pos_embd
    rows, columns = code._axis(height), code._axis(width)
    both = [rows[:, None].expand(-1, width, -1), columns[None].expand(height, -1, -1)]
    return torch.cat(both, dim=-1).permute(2, 0, 1)


def test_training_mode_is_the_published_one(parity):
    """Batch statistics: the disparities of the first training step and the running averages it leaves."""
    golden = json.loads((parity / "train_step.json").read_text())
    target = np.stack([triplet(seed, golden["H"], golden["W"])[0] for seed in golden["seeds"]])
    image = torch.from_numpy(0.9 * target + 0.03).float()
    assert hashlib.sha256(image.numpy().tobytes()).hexdigest() == golden["input_sha256"]["color_aug_0_0"]
    net = filled("lite-mono", golden["H"], golden["W"]).train()
    with torch.no_grad():
        disps = net(image)
    for i, (disp, expected) in enumerate(zip(disps, golden["disp_stats"], strict=True)):
        assert_stats(disp, expected, f"disp{i}", rtol=SAMPLE_RTOL)
    for key, expected in golden["bn_buffers_after_step1_mean_l2"].items():
        part, _, name = key.partition("/")
        if part == "encoder":
            buffer = net.encoder.state_dict()[name].double()
            actual = np.array([buffer.mean().item(), buffer.norm().item()])
            assert_within(actual, np.array(expected), f"{key} [mean, l2]", atol=1e-6 * max(1, expected[1]))


def test_only_what_is_never_run_has_no_gradient(parity):
    golden = json.loads((parity / "train_step.json").read_text())["parameters_without_gradient"]
    net = networks.create("lite-mono", height=32, width=64).train()
    sum(disp.sum() for disp in net(torch.rand(2, 3, 32, 64))).backward()
    without = [f"encoder/{key}" for key, p in net.encoder.named_parameters() if p.grad is None]
    assert without == [key for key in golden if key.startswith("encoder/")]
    assert all(p.grad is not None for p in net.decoder.parameters())
    assert [f"encoder/{key}" for key, p in net.encoder.named_parameters() if not p.requires_grad] == without


# --- initial weights -------------------------------------------------------------------------------------------------


def test_initial_weights_have_the_published_statistics(facts):
    torch.manual_seed(0)
    net = networks.create("lite-mono", height=192, width=640)
    tensors = {**net.encoder.state_dict(), **net.decoder.state_dict()}
    for key, (mean, std) in facts["init_mean_std_sample"].items():
        values = tensors[key].double()
        # Both sides are samples: 5 standard errors of a mean (std/sqrt(n)) and of a spread (std/sqrt(2n)), times sqrt(2).
        error = 5 * math.sqrt(2) * std / math.sqrt(values.numel())
        assert abs(values.mean().item() - mean) <= error + 1e-12, (
            f"{key}: mean {values.mean():.4g}, published {mean:.4g}"
        )
        assert abs(values.std().item() - std) <= error + 1e-12, f"{key}: spread {values.std():.4g}, published {std:.4g}"


@pytest.mark.parametrize("name", networks.names("disparity"))
def test_every_initial_tensor_follows_its_rule(name):
    torch.manual_seed(1)
    net = networks.create(name, height=192, width=640)
    for key, module in net.encoder.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            fan_out = module.weight.shape[0] * module.weight[0, 0].numel()
            expected = math.sqrt(2 / fan_out)
            assert module.weight.std().item() == pytest.approx(
                expected, rel=5 / math.sqrt(2 * module.weight.numel())
            ), key
        if isinstance(module, DilatedBlock | AttentionBlock):
            assert (module.gamma == 1e-6).all(), key
        if isinstance(module, AttentionBlock):
            assert (module.gamma_xca == 1e-6).all() and (module.xca.temperature == 1).all(), key
    for key, tensor in net.decoder.state_dict().items():
        if key.endswith("bias"):
            assert (tensor == 0).all(), key
        else:
            assert tensor.std().item() == pytest.approx(0.02, rel=5 / math.sqrt(2 * tensor.numel())), key


def test_the_seed_decides_the_initial_weights():
    def weights(seed):
        torch.manual_seed(seed)
        return networks.create("lite-mono-tiny", height=32, width=32).state_dict()

    first, again, other = weights(3), weights(3), weights(4)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


# --- sizes -----------------------------------------------------------------------------------------------------------


@settings(max_examples=8, deadline=None)
@given(
    name=st.sampled_from(networks.names("disparity")),
    height=MULTIPLES_OF_32,
    width=MULTIPLES_OF_32,
    batch=st.integers(1, 2),
)
def test_any_multiple_of_32_gives_three_disparities_between_0_and_1(name, height, width, batch):
    net = networks.create(name, height=height, width=width).eval()
    assert (net.name, net.height, net.width) == (name, height, width)
    with torch.no_grad():
        disps = net(torch.rand(batch, 3, height, width))
    assert [tuple(d.shape) for d in disps] == [(batch, 1, height >> s, width >> s) for s in range(3)]
    assert all(((d > 0) & (d < 1)).all() for d in disps)


@pytest.mark.parametrize("height, width", [(0, 640), (-32, 64), (31, 64), (64, 16)])
def test_sizes_that_are_too_small_are_refused(height, width):
    with pytest.raises(networks.NetworkError, match=f"{width}x{height}.*at least 32"):
        networks.create("lite-mono", height=height, width=width)


def test_unknown_names_and_rates_are_refused():
    with pytest.raises(networks.NetworkError, match="'lite-mono-huge'.*lite-mono-8m"):
        networks.create("lite-mono-huge", height=192, width=640)
    with pytest.raises(networks.NetworkError, match="drop_path is 1.5"):
        networks.create("lite-mono", height=192, width=640, drop_path=1.5)


# --- how it runs -----------------------------------------------------------------------------------------------------


def test_drop_path_acts_in_training_only():
    torch.manual_seed(0)
    net = filled("lite-mono-tiny", 32, 64)
    dropping = networks.create("lite-mono-tiny", height=32, width=64, drop_path=0.5)
    dropping.load_state_dict(net.state_dict())
    image = torch.rand(2, 3, 32, 64)
    with torch.no_grad():
        assert torch.equal(net.eval()(image)[0], dropping.eval()(image)[0])
        net.train(), dropping.train()
        for norm in [m for both in (net, dropping) for m in both.modules() if isinstance(m, nn.BatchNorm2d)]:
            norm.eval()
        assert not torch.equal(net(image)[0], dropping(image)[0])


def test_channels_last_gives_the_same_disparity():
    net = filled("lite-mono-tiny", 64, 96).eval()
    image = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        plain = net(image)
        last = net.to(memory_format=torch.channels_last)(image.to(memory_format=torch.channels_last))
    for p, q in zip(plain, last, strict=True):
        assert_within(q.numpy(), p.numpy(), "disparity", atol=DISPARITY_ATOL)


@pytest.mark.filterwarnings("ignore:In CPU autocast")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_mixed_precision_stays_close(dtype):
    net = filled("lite-mono", 32, 64).eval()
    image = torch.rand(1, 3, 32, 64)
    with torch.no_grad():
        exact = net(image)
        with torch.autocast("cpu", dtype):
            mixed = net(image)
    for p, q in zip(exact, mixed, strict=True):
        # 18 blocks of rounding at 2^-11 or 2^-8 each, in a sigmoid of slope 1/4
        assert_within(q.float().numpy(), p.numpy(), "disparity", atol=5e-3 if dtype == torch.float16 else 4e-2)


@pytest.mark.filterwarnings("ignore:In CPU autocast")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_a_bottleneck_keeps_its_widest_map_once_and_has_the_gradients_of_autograd(dtype):
    torch.manual_seed(0)
    layer = GeluLinear(24, 4).to(torch.promote_types(dtype, torch.float32))
    x = torch.randn(2, 3, 5, 24, dtype=dtype, requires_grad=True)
    grad = torch.randn(2, 3, 5, 4, dtype=dtype)
    inputs = (x, layer.weight, layer.bias)
    kept = []
    with torch.autocast("cpu", dtype, enabled=dtype.itemsize == 2):
        plain = F.linear(F.gelu(x), layer.weight, layer.bias)
        with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor.shape) or tensor, lambda t: t):
            ours = layer(x)
    assert kept.count(x.shape) == 1
    assert ours.dtype == plain.dtype
    assert torch.equal(ours, plain)
    expected, gradients = (torch.autograd.grad(out, inputs, grad) for out in (plain, ours))
    for gradient, wanted in zip(gradients, expected, strict=True):
        assert gradient.dtype == wanted.dtype
        assert_l2_close(gradient.double().numpy(), wanted.double().numpy(), 4 * torch.finfo(dtype).eps, "gradient")


def test_attention_survives_half_precision_tokens_whose_squares_overflow():
    attention = CrossCovarianceAttention(48).eval()
    tokens = 300 * torch.randn(1, 7680, 48)  # the sum of squares of a row is about 7e8; half precision ends at 65504
    with torch.no_grad():
        exact = attention(tokens)
        half = attention.half()(tokens.half())
    assert torch.isfinite(half).all()
    assert_l2_close(half.float().numpy(), exact.numpy(), 1e-2, "attention")  # rounding at 2^-11, three products
