"""Advice in words about data: images, depth, scans, calibration, lists, packs."""

from __future__ import annotations

from advice.follow import Case
from advice.world_cases import RIGHT as WORLD
from advice.world_cases import SMALL

RIGHT = {
    "segment own": WORLD["segment composites"].replace("w/composites_pack", "own/composites"),
    "train own frames": WORLD["train frames"].replace("w/frames", "own/frames"),
    "train own kitti": WORLD["train kitti"].replace("w/kitti", "own/kitti"),
    "finetune own kitti": WORLD["finetune kitti"].replace("w/annotated", "own/annotated"),
    "finetune own pairs": f"--dataset pairs --data_path own/pairs_npy {SMALL} --mypretrain w/junk.pth",
    "refine own inverse": WORLD["refine inverse"].replace("w/inverse", "own/inverse"),
    "refine own masks": f"{WORLD['refine pairs']} --object_masks own/object_masks --object_weight 0.7",
    "export-gt own": WORLD["export-gt drive"].replace("w/kitti", "own/kitti"),
    "export-gt own pack": WORLD["export-gt drive"].replace("w/kitti", "own/pack"),
    "prepare pack own pairs": WORLD["prepare pack pairs"].replace("w/pairs", "own/pairs"),
    "prepare pack-composites rooms": "--from w/composites --size 48x32 --output pack --num_workers 1",
}

CASES = [
    # composites
    Case(
        "segment own",
        "",
        r"are two files for one picture; (?P<mend>remove one of them)",
        damage="picture in two files",
    ),
    Case(
        "segment own",
        "",
        r"have the same numbers; (?P<mend>remove one of them)",
        damage="picture with the same numbers",
    ),
    Case("segment own", "", r"are called fgNNN_bgNNN_NN .*; (?P<mend>rename it)", damage="picture's name"),
    Case("segment own", "", r"has no number in its name, .*; (?P<mend>rename it)", damage="background without number"),
    Case("segment own", "", r"are both background 1; (?P<mend>rename one of them)", damage="background's number"),
    Case("segment own", "", r"(?P<mend>give pictures of at least 2 backgrounds)", damage="one background"),
    Case("segment own", "", r"there is no background .*; (?P<mend>add its file)", damage="background absent"),
    Case("segment own", "", r"(?P<mend>save it as black and white)", damage="grey mask"),
    Case(
        "prepare pack-composites rooms", "--output .", r"(?P<right>--output) .*, which a pack replaces; choose another"
    ),
    Case(
        "prepare pack-composites rooms", "--output split", r"(?P<another>--output) \S+split: .*; choose another folder"
    ),
    Case(
        "prepare pack-composites rooms",
        "--output w/composites_pack --size 32x32",
        r"(?P<another>--output) \S+: .*; remove it or choose another folder",
    ),
    Case("prepare pack-composites rooms", "", r"GB free; (?P<mend>choose another disk)", lack="space for composites"),
    # images
    Case(
        "train own frames",
        "",
        r"are the same frame; (?P<mend>remove the files of one kind)",
        damage="frame in two files",
    ),
    Case("train own frames", "", r"(?P<mend>put each size into a folder of its own)", damage="sizes of frames"),
    Case("train own frames", "", r"(?P<mend>scale them to the full range)", damage="dark frame"),
    Case("train pack", "", r"cannot be read on this system; (?P<mend>give the folder of images)", lack="preadv"),
    Case("finetune pack", "", r"cannot be read on this system; (?P<mend>give the folder of images)", lack="preadv"),
    # scans, calibration, lists
    Case("train own kitti", "", r"(?P<mend>extract its archive again)", damage="scans cut short"),
    Case(
        "export-gt own",
        "",
        r"16-byte velodyne points; .* (?P<mend>extract its archive again)",
        damage="scans cut short",
    ),
    Case("export-gt own", "", r"(?P<mend>extract KITTI's calibration archive again)", damage="no projection"),
    Case(
        "export-gt own",
        "",
        r"no size of an image; (?P<mend>extract its archive again)",
        damage="camera of no pixel",
    ),
    Case("export-gt own pack", "", r"(?P<mend>delete it and pack its drive again)", damage="zip of scans cut short"),
    Case(
        "train own kitti", "", r"the list is damaged: (?P<mend>restore it or write it again)", damage="list with a NUL"
    ),
    Case("train kitti", "--split nowhere", r"(?P<right>--split) nowhere: .*; or give a folder that holds one"),
    Case("prepare pack kitti", "--split nowhere", r"(?P<right>--split) nowhere: .*; or give a folder"),
    # depth
    Case(
        "finetune own pairs",
        "",
        r"NaN or infinite; (?P<mend>write 0 where nothing was measured)",
        damage="depth of NaN",
    ),
    Case("finetune own pairs", "", r"negative; (?P<mend>write 0 where nothing was measured)", damage="depth below 0"),
    Case("finetune own pairs", "", r"not a complete .npy file .*; (?P<mend>write it again)", damage="depth cut short"),
    Case("finetune own pairs", "", r"(?P<mend>write an array \(height, width\))", damage="depth of three channels"),
    Case("finetune own kitti", "", r"metres need 16; (?P<mend>give the original files)", damage="8 bits of depth"),
    Case("prepare pack own pairs", "", r"(?P<mend>put .* there, as a zip or extracted)", damage="no depth"),
    Case("refine own inverse", "", r"NaN or infinite; (?P<mend>predict this image again)", damage="given depth of NaN"),
    Case("refine own masks", "", r"(?P<mend>write 1 for every object)", damage="mask of three values"),
    # several data sets
    Case("finetune two", "--data_path w/nyu", r"(?P<right>--data_path) w/nyu: 1 folders .*; give one each"),
    Case("finetune two", "--depth_factor 1000", r"(?P<right>--depth_factor): 1 values for 2 data sets; give one each"),
    Case("finetune two", "--mix 2,1,1", r"(?P<right>--mix) 2,1,1: has 3 numbers for 2 data sets; give one each"),
    # folders
    Case("prepare download here", "--output file", r"(?P<right>--output) file: .* is no folder; choose another"),
]
