"""Advice in words about single files and folders: give another one, delete it, or put it right."""

from __future__ import annotations

from advice.follow import Case
from advice.world import RUN_HERE

MAPS = "--pred_is depth --output out.json --num_workers 1"
NETWORK = "--model lite-mono-tiny --device cpu --output pictures"
LONG = "runs/" * 900
MANY_BYTES = ("\u00e4" * 100 + "/") * 25
RIGHT = {
    "train again": RUN_HERE,
    "export hub": "--load_weights missing --hub out",
    "predict own film": f"--load_weights w/weights {NETWORK} --input own/films/sound.mp4",
    "predict own refiner": "--load_weights own/refiner --frozen_depth w/given --input w/pairs/images/pic_0.jpg --output pictures "
    "--device cpu",
    "segment-apply own": "--load_weights own/masks --data_path w/composites --device cpu --num_workers 0",
    "compare own": "--log_dir own/runs",
    "evaluate 16 bits": f"--pred w/depths --gt_path own/truth_png {MAPS}",
    "evaluate own depths": f"--pred own/depths --gt_path w/truth {MAPS}",
    "evaluate archive": f"--pred own/archive/depths.npz --gt_path w/truth {MAPS}",
    "evaluate own sintel": "--pred w/sintel_depths --gt_path own/sintel_whole --protocol depth-anything --occluded leave_out "
    f"{MAPS}",
    "evaluate tum": f"--pred w/tum_depths --gt_path own/tum --protocol midas-tum {MAPS}",
    "evaluate gt file": "--load_weights w/weights --model lite-mono-tiny --data_path w/kitti --split w/test_split "
    "--gt_path own/made_gt/gt.npz --output out.json --num_workers 1 --device cpu",
    "evaluate annotated": "--load_weights w/weights --model lite-mono-tiny --data_path w/kitti --split w/test_split "
    "--gt_path w/annotated --output out.json --num_workers 1 --device cpu",
}

CASES = [
    # checkpoints of a run
    Case(
        "train again",
        "",
        r"(?P<delete>\S+): every checkpoint is damaged; delete the folder to train from the start",
        damage="all checkpoints",
    ),
    Case(
        "train again",
        "",
        r"(?P<delete>\S+): does not fit this run .*; delete it to resume from the one before",
        damage="newest checkpoint of another network",
    ),
    Case(
        "train again",
        "",
        r"(?P<delete>\S+): has no settings; delete it to resume from the one before",
        damage="newest checkpoint without settings",
    ),
    # weights
    Case("export hub", "--load_weights w/junk.onnx", r"(?P<right>--load_weights) .*; give the weights folder"),
    Case("export hub", "--hub split", r"(?P<another>--hub) split: .*; choose another folder", "out"),
    Case("predict image", "--load_weights w/empty", r"(?P<other>give the folder of one epoch's weights)", "w/weights"),
    Case("predict image", "--height 99968 --width 320", r"(?P<other>give a smaller one)", "32"),
    Case(
        "predict refiner",
        "--load_weights own/refiner",
        r"has no model.pt; (?P<other>give a folder such as RUN/models/last)",
        "w/refiner",
        damage="no tensors",
    ),
    Case(
        "predict own refiner",
        "",
        r"is damaged: it does not say the input size; (?P<mend>restore it)",
        damage="refiner without size",
    ),
    Case("predict own refiner", "", r"no word on what is predicted; (?P<mend>restore it)", damage="refiner's predict"),
    Case(
        "refine affine",
        "--load_weights w/weights",
        r"has no weights of a refiner .*; (?P<other>give a folder such as RUN/models/last)",
        "w/refiner",
    ),
    Case(
        "segment-apply bare", "--load_weights w/weights", r"(?P<other>give a folder such as RUN/models/last)", "w/masks"
    ),
    Case(
        "segment-apply own",
        "",
        r"is damaged: it does not say the input size; (?P<mend>restore it)",
        damage="masks without size",
    ),
    Case(
        "segment-apply bare", "--load_weights missing", r"(?P<right>--load_weights) .*; give one like RUN/models/last"
    ),
    Case(
        "segment composites", "--load_weights missing", r"(?P<right>--load_weights) .*; give one like RUN/models/last"
    ),
    # what is read and written
    Case("segment-apply bare", "--output file", r"(?P<another>--output) file: is a file; give a folder", "out"),
    Case("predict sound", "--input w/*.mp4", r"(?P<right>--input) .*; give one video at a time"),
    Case("predict own film", "", r"is the file complete\? (?P<mend>Copy it again)", damage="film cut short"),
    Case("compare runs", "--output w/empty --format csv", r"(?P<other>choose another place)", "x.csv"),
    Case("compare own", "--by loss", r"choose another of (?P<value>[\w/]+)", damage="no finite loss"),
    # flags' values
    Case("status", f"--log_dir {LONG}", r"(?P<right>--log_dir) runs/.*; give at most \d+"),
    Case("submit", f"--sweep lr=1e-4,1e-5 {LONG}", r"(?P<other>give at most \d+)", "lr=1e-4,1e-5"),
    Case("status", f"--log_dir {'x' * 300}", r"(?P<right>--log_dir) x+.* a name of 300 bytes; give a shorter one"),
    Case("status", f"--log_dir {MANY_BYTES}", r"(?P<right>--log_dir) .* a path of \d+ bytes; give a shorter one"),
    Case(
        "status", f"--log_dir {'a/' * 300}", r"(?P<right>--log_dir) .* has \d+ folders .*; give a path of at most \d+"
    ),
    Case("status", "--log_dir a\0b", r"(?P<right>--log_dir): a path has no NUL characters; give another one"),
    Case("status", "--log_dir w/loop", r"(?P<right>--log_dir) .*leads back to itself; give another path"),
    Case("submit", "--sweep lr=1e-4,1e-4", r"(?P<another>--sweep) .* give each once", "lr=1e-4,1e-5"),
    Case(
        "submit cluster",
        "--sweep lr=1e-4,1e-5 seed=1,2",
        r"(?P<another>--sweep): .*; make several sweeps of it",
        "lr=1e-4,1e-5",
    ),
    Case("submit cluster", "--account ' '", r"(?P<another>--account) .*; give a name as Slurm lists it", "research"),
    # predictions and ground truth
    Case("evaluate 16 bits", "", r"a picture of 8 bits is no depth map; (?P<mend>write 16 bits)", damage="8 bits"),
    Case(
        "evaluate maps",
        "--gt_path w/empty",
        r"cannot be read \(.*\); (?P<other>give a folder that can)",
        "w/truth",
        lack="right to read",
    ),
    Case(
        "evaluate own depths",
        "--pred own/depths",
        r"and (?P<delete>\S+) are for the same image; remove one of them",
        damage="two maps of one image",
    ),
    Case("evaluate archive", "", r"not a readable .npz file .*; (?P<mend>write it again)", damage="archive cut short"),
    Case("evaluate archive", "", r"its map \S+ is damaged .*; (?P<mend>write it again)", damage="byte of an archive"),
    Case(
        "evaluate gt file",
        "--gt_path own/other_gt/gt.npz",
        r"make it again: (?P<run>python -m export_gt --data_path \S+ --split \S+ --output \S+)",
    ),
    Case(
        "evaluate gt file",
        "",
        r"not a complete ground-truth file .*; (?P<mend>make it again with export_gt)",
        damage="byte of ground truth",
    ),
    Case("evaluate annotated", "--split w/longer_split", r"(?P<other>give a split of those that have)", "w/test_split"),
    Case("evaluate own sintel", "", r"but the depth has .*; (?P<mend>extract Sintel again)", damage="small occlusions"),
    Case(
        "evaluate tum",
        "",
        r"(?P<delete>\S+): its lines must be .*; remove it to have it made here",
        damage="pairs of nothing",
    ),
    Case("evaluate tum", "", r"must be 'TIME FILE'; (?P<mend>download the sequence again)", damage="list of times"),
    Case("evaluate tum", "", r"cannot be read .*; (?P<mend>download the sequence again)", damage="list of 60 MB"),
    Case("evaluate network", "~--data_path", r"(?P<right>--data_path) .*; give the one with the test images"),
]
