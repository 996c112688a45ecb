"""Weight files of DPT and MiDaS: the published ones are read, and what is written is one of them."""

from __future__ import annotations

import json

import pytest
import torch
from test_weights import same

import networks
from networks import NetworkError, registry, weights
from networks.dpt_layouts import main_layout, scriptable_layout

RELATIVE = networks.names("relative")
SMALL = ["dpt-tiny", "midas-small"]  # the others have up to 1.4 GB
ATTENTIONS = registry.VIT_ATTENTIONS


def create(name: str = "dpt-tiny", attention: str | None = None) -> networks.DepthNet:
    return networks.create(name, height=64, width=96, attention=attention)


@pytest.fixture
def tiny() -> networks.DepthNet:
    return create()


def published_keys(parity_networks, name: str) -> list[str]:
    return [*json.loads((parity_networks / "state_dict_keys.json").read_text())[name]]


@pytest.mark.parametrize("name", SMALL)
def test_what_was_saved_is_loaded_to_the_last_bit(tmp_path, name):
    net = create(name)
    weights.save_folder(tmp_path / "w", net, None)
    assert sorted(path.name for path in (tmp_path / "w").iterdir()) == ["model.pt", "network.json"]
    loaded = weights.load_depth(tmp_path / "w", name)
    assert (loaded.name, loaded.height, loaded.width) == (name, 64, 96)
    assert same(net, loaded)
    assert weights.recognise(tmp_path / "w") == [name]


def test_the_published_code_loads_what_is_saved(tmp_path, parity_networks):
    """It takes a plain state dict, whose names must be its own to the last one."""
    weights.save_folder(tmp_path / "w", create("midas-small"), None)
    content = torch.load(tmp_path / "w/model.pt", weights_only=True)
    assert {*content} == {*published_keys(parity_networks, "midas_v21_small")}
    assert all(isinstance(tensor, torch.Tensor) for tensor in content.values())


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"model": state, "optimizer": {"state": {}}},
        lambda state: {"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}},
        scriptable_layout,
    ],
    ids=["plain", "with optimizer", "DataParallel", "scriptable branch"],
)
def test_a_published_file_is_read_in_any_wrapper(tmp_path, tiny, wrap):
    file = tmp_path / "dpt_tiny-midas-501f0c75.pt"
    torch.save(wrap(tiny.published.state_dict()), file)
    assert same(weights.load_depth(file, "dpt-tiny", height=64, width=96), tiny)
    assert weights.recognise(file) == ["dpt-tiny"]
    with pytest.raises(NetworkError, match=r"501f0c75\.pt does not say its input size; give --height and --width"):
        weights.load_depth(file, "dpt-tiny")


@pytest.mark.parametrize("key", ["dpt_hybrid", "fork_softmax", "fork_performer", "dpt_large"])
def test_the_two_layouts_of_names_become_one_and_back(parity_networks, key):
    names = dict.fromkeys(published_keys(parity_networks, key))
    assert not any("readout_oper" in name for name in main_layout(names))
    assert len(main_layout(names)) == len(names)
    back = scriptable_layout(main_layout(names)) if key.startswith("fork") else main_layout(scriptable_layout(names))
    assert [*back] == [*names]


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_attention_is_recognised_by_its_tensors(tmp_path, attention):
    net = create(attention=attention)
    weights.save_folder(tmp_path / "w", net, None)
    loaded = weights.load_depth(tmp_path / "w", "dpt-tiny")
    assert loaded.attention == attention and same(net, loaded)
    (tmp_path / "w/network.json").unlink()
    assert same(net, weights.load_depth(tmp_path / "w", "dpt-tiny", height=64, width=96))


def test_attention_variants_are_saved_in_the_names_of_the_code_that_has_them(tmp_path, parity_networks):
    weights.save_folder(tmp_path / "w", create(attention="performer"), None)
    saved = {*torch.load(tmp_path / "w/model.pt", weights_only=True)}
    published = {*published_keys(parity_networks, "fork_performer")}
    assert {name for name in saved if "readout" in name or "act_post" in name} <= published
    assert any("readout_oper3" in name for name in saved)


def test_other_attention_is_named_with_the_flag_that_fits(tmp_path):
    weights.save_folder(tmp_path / "w", create(attention="memory-compressed-3"), None)
    with pytest.raises(NetworkError, match="memory-compressed-3 attention: --attention memory-compressed-3"):
        weights.load_into(tmp_path / "w", create(), None)


@pytest.mark.parametrize("wanted", ["lite-mono-tiny", "midas-small"])
@pytest.mark.parametrize("of_folder", [True, False], ids=["folder", "file"])
def test_weights_of_another_network_are_named(tmp_path, tiny, wanted, of_folder):
    weights.save_folder(tmp_path / "w", tiny, None)
    place = tmp_path / "w" if of_folder else tmp_path / "w/model.pt"
    with pytest.raises(NetworkError, match="these are dpt-tiny weights: --model dpt-tiny$"):
        weights.load_depth(place, wanted, height=64, width=96)


@pytest.mark.parametrize("of_folder", [True, False], ids=["folder", "file"])
def test_lite_mono_weights_are_named_where_a_dpt_is_wanted(tmp_path, of_folder):
    weights.save_folder(tmp_path / "w", create("lite-mono-tiny"), None)
    place = tmp_path / "w" if of_folder else tmp_path / "w/encoder.pth"
    with pytest.raises(NetworkError, match="these are lite-mono-tiny weights: --model lite-mono-tiny$"):
        weights.load_depth(place, "dpt-tiny", height=64, width=96)


def test_a_folder_without_attention_is_named_where_that_of_a_dpt_is_looked_for(tmp_path):
    weights.save_folder(tmp_path, create("lite-mono-tiny"), None)
    with pytest.raises(NetworkError, match="these are lite-mono-tiny weights: --model lite-mono-tiny$"):
        weights.stored_attention(tmp_path, "dpt-tiny")


@pytest.mark.parametrize("name", RELATIVE)
def test_every_network_is_recognised_by_its_names_and_shapes(name):
    with torch.device("meta"):
        content = create(name).published.state_dict()
    assert weights.identify.depth_variants(content, "published", weights.state_files.equal) == [name]


def test_a_missing_and_an_extra_tensor_are_refused(tmp_path, tiny):
    state = tiny.published.state_dict()
    taken = state.pop("pretrained.model.cls_token")
    torch.save({**state, "pretrained.model.cls": taken}, tmp_path / "w.pt")
    with pytest.raises(NetworkError, match=r"missing 1 \(pretrained\.model\.cls_token\); unknown 1 \(.*model\.cls\)"):
        weights.load_depth(tmp_path / "w.pt", "dpt-tiny", height=64, width=96)


def test_a_save_replaces_weights_of_another_format_whole(tmp_path, tiny):
    weights.save_folder(tmp_path / "w", create("lite-mono-tiny"), None)
    weights.save_folder(tmp_path / "w", tiny, None)
    assert sorted(path.name for path in (tmp_path / "w").iterdir()) == ["model.pt", "network.json"]


def test_damaged_settings_are_named(tmp_path, tiny):
    weights.save_folder(tmp_path / "w", tiny, None)
    (tmp_path / "w/network.json").write_text("{")
    with pytest.raises(NetworkError, match=r"network\.json is damaged.*give --height and --width"):
        weights.load_depth(tmp_path / "w", "dpt-tiny")


def test_a_folder_without_weights_is_named(tmp_path):
    with pytest.raises(NetworkError, match=r"has no model\.pt; give the folder of one epoch's weights"):
        weights.load_depth(tmp_path, "dpt-tiny", height=64, width=96)


def test_attention_that_a_network_cannot_have_is_refused():
    with pytest.raises(NetworkError, match="--attention halo: dpt-tiny cannot have it; choose from softmax, performer"):
        create(attention="halo")
    create(attention="performer")
    with pytest.raises(NetworkError, match="--attention performer: midas-small cannot have it; it has no choice"):
        create("midas-small", "performer")
