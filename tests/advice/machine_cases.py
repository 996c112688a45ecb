"""Advice on machines that lack something: a package, Slurm, room, weights."""

from __future__ import annotations

from advice.follow import Case
from advice.world_cases import SMALL

EXPORT = "--load_weights own/weights --model lite-mono-tiny"
RIGHT = {
    "predict with runtime": f"{EXPORT} --input w/image.png --device cpu --output pictures --backend onnxruntime",
    "predict with openvino": f"{EXPORT} --input w/image.png --device cpu --output pictures",
    "predict film": f"{EXPORT} --input w/junk.mp4 --device cpu --output pictures",
    "predict with file": "--load_weights w/junk.onnx --input w/image.png --device cpu --output pictures",
    "export network": EXPORT,
    "export program": f"{EXPORT} --format pt2",
    "train step": f"--model lite-mono-tiny --data_path w/kitti --split w/kitti {SMALL} --weights_init scratch --max_steps 1",
}

CASES = [
    # packages
    Case(
        "predict with runtime",
        "--batch_size 1",
        r"onnxruntime not installed; (?P<mend>pip install 'litemono\[\w+\]')",
        lack="onnxruntime",
    ),
    Case("predict with openvino", "--backend openvino", r"try (?P<set>--backend onnxruntime)", lack="operators"),
    Case("predict film", "", r"videos need PyAV; (?P<mend>pip install 'litemono\[video\]')", lack="av"),
    Case("predict with file", "", r"needs onnxruntime; (?P<mend>pip install 'litemono\[export\]')", lack="onnxruntime"),
    Case("export network", "", r"--format onnx needs onnx; (?P<mend>pip install 'litemono\[export\]')", lack="onnx"),
    Case("export network", "--format aoti", r"use (?P<set>--format onnx) or pt2", lack="C++ compiler"),
    Case("export program", "", r"say which: (?P<set>--batch 1)", lack="any batch"),
    Case("train step", "--compile", r"or leave (?P<drop>--compile) out", lack="C++ compiler"),
    Case(
        "train step",
        "--compile --compile_parts loss",
        r"(?P<drop>--compile): the compiled loss differs .* leave it out",
        lack="right compiler",
    ),
    # clusters
    Case("submit here", "~--cluster", r"or use (?P<set>--cluster local)", lack="slurm's commands"),
    Case(
        "submit data cluster", "--container image.sif", r"(?P<drop>--container) .* or leave it out", lack="containers"
    ),
    # the disk, memory and what lies there
    Case("train pack", "--stage .", r"or leave out (?P<drop>--stage)", lack="space"),
    Case("train pack", "--stage .", r"(?P<drop>--stage) .* or leave it out", lack="locks"),
    Case("export-gt drive", "--num_workers 2", r"\((?P<set>--num_workers 1)\)", lack="memory"),
    Case("train step", "~--weights_init", r"or give (?P<set>--weights_init scratch)", lack="ImageNet weights"),
    Case(
        "train kitti",
        "~--weights_init",
        r"give (?P<another>--weights_init) scratch or a local file",
        "w/junk.pth",
        lack="ImageNet weights",
    ),
    Case(
        "train run",
        "",
        r"start another (?P<another>--model_name) from its (?P<set>--load_weights models/last)",
        lack="version",
    ),
]
