"""Advice that data lead to; see world.py for what w/ has."""

from __future__ import annotations

from advice.follow import Case
from advice.world import SIZE

RIGHT = {
    "evaluate pngs": "--pred w/depths --pred_is depth --gt_path w/truth_png --output out.json --num_workers 1",
    "export-gt drive": "--data_path w/kitti --split w/test_split --output out.npz --num_workers 1",
    "export-gt split": "--data_path . --split eigen_benchmark",
    "prepare verify street": "--dataset street --split split --data_path missing",
    "evaluate maps": "--pred w/depths --pred_is depth --gt_path w/truth --output out.json --num_workers 1",
    "evaluate disparities": "--pred w/disparities --pred_is disparity --gt_path w/truth --output out.json --num_workers 1",
    "prepare pack kitti": f"--from w/kitti --split w/kitti --test_split none --size {SIZE} --output out --num_workers 1",
    "prepare pack pairs": "--dataset pairs --from w/pairs --size 64x48 --output out --num_workers 1",
    "prepare verify composites": "--data_path w/composites --num_workers 1",
    "prepare download here": "--output out --split w/kitti --base_url file:///nowhere --parallel 1",
    "prepare maps": "--data_path w/pack --frozen_depth w/empty",
}

CASES = [
    # predictions
    Case("evaluate pngs", "--gt_factor 1", r"is (?P<drop>--gt_factor) 1(?:.0)? right"),
    Case("export-gt drive", "--data_path w/empty", r"missing below (?P<right>--data_path)"),
    Case("export-gt drive", "--data_path w/uncalibrated", r"into (?P<right>--data_path)"),
    Case("export-gt split", "--split benchmark", r"with public ground truth: (?P<set>--split eigen_benchmark)"),
    Case("evaluate maps", "~--pred_is", r"its numbers are: (?P<set>--pred_is depth)"),
    Case("evaluate maps", "--pred w/few", r"evaluate the others: (?P<set>--allow_missing)"),
    Case("evaluate maps", "--pred_is disparity", r"give (?P<set>--pred_is depth)"),
    Case("evaluate maps", "--crop nyu", r"or (?P<set>--crop none)"),
    Case("evaluate maps", "--crop kb-garg", r"or (?P<drop>--crop) and --image_crop without kb"),
    Case("evaluate maps", "--occluded leave_out", r"(?P<drop>--occluded) leave_out: .*; leave the flag out"),
    Case("evaluate maps", "--output file/below/x.json", r"give another place: (?P<set>--output errors.json)"),
    Case("evaluate maps", "--gt_path w/blank", r"check (?P<right>--gt_path), --data_path and --split"),
    Case("evaluate disparities", "--pred_is depth", r"give (?P<set>--pred_is disparity), or relative"),
    Case("evaluate disparities", "--pred_is relative", r"add (?P<set>--align scale_shift_disparity)"),
    # preparation
    Case("prepare pack kitti", "--split w/two_drives", r"or pack the rest: (?P<set>--skip_missing)"),
    Case("prepare pack kitti", "--from w/uncalibrated", r"calibrated intrinsics: (?P<set>--skip_missing)"),
    Case("prepare pack pairs", "--split w/pairs_list", r"or pack the others: (?P<set>--skip_missing)"),
    Case("prepare verify street", "~--split", r"give (?P<right>--split), the folder"),
    Case("prepare download here", "--archives x.zip", r"(?P<drop>--archives) x.zip: not one of"),
    Case("prepare download here", "--split w/unknown_drive", r"(?P<right>--split) \S+: no published archive"),
    Case("prepare pack kitti", "--split w/lacking", r"or leave them out: (?P<set>--skip_missing)"),
    Case("prepare pack kitti", "--output w/pack --size 32x32", r"choose another (?P<another>--output)"),
    Case("prepare pack kitti", "--output w/pack --jpeg 90", r"choose another (?P<another>--output)"),
    Case(
        "prepare pack kitti",
        "--output w/kitti",
        r"(?P<another>--output) w/kitti: is --from itself; .* a folder of its own",
    ),
    Case("prepare pack pairs", "--jpeg 90", r"(?P<drop>--jpeg): are for drives of KITTI"),
    Case("prepare pack pairs", "--delete_zips", r"(?P<drop>--delete_zips), --jpeg: are for drives of KITTI"),
    Case(
        "prepare pack pairs",
        "--output w/pairs",
        r"(?P<another>--output) w/pairs: is --from itself; the pack needs a folder of its own",
    ),
    Case("prepare pack pairs", "--output w/pairs_pack --size 32x32", r"choose another (?P<another>--output)"),
    Case("prepare verify composites", "--deep", r"give (?P<alone>--data_path and --num_workers) alone"),
    Case("prepare maps", "~--frozen_depth", r"give (?P<right>--frozen_depth), --object_masks or both"),
    Case(
        "prepare maps",
        "--data_path w/kitti",
        r"(?P<right>--data_path) w/kitti: is no pack; make one: (?P<run>python -m litemono.prepare pack --help)",
    ),
]
