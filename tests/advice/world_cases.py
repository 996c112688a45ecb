"""Advice that data, weights and runs lead to; see world.py for what w/ has."""

from __future__ import annotations

from advice.follow import Case
from advice.world import RUN_HERE, SIZE, TEST_IMAGES
from composites import FEWEST

SMALL = "--height 32 --width 64 --device cpu --num_workers 0 --batch_size 2 --log_dir runs --model_name new"
# Weights that cannot be read are what these trainings end at, behind everything that is said of the data.
RIGHT = {
    "train kitti": f"--model lite-mono-tiny --data_path w/kitti --split w/kitti {SMALL} --weights_init w/junk.pth",
    "train odometry": "--dataset kitti_odom --split odom --data_path w/empty --device cpu",
    "train frames": f"--dataset frames --data_path w/frames --intrinsics 50,50,32,16 {SMALL} --weights_init w/junk.pth",
    "train pack": "--data_path w/pack --split w/kitti --weights_init w/junk.pth --batch_size 2 --device cpu --height 48 "
    "--width 96 --num_workers 0 --log_dir runs",
    "train run": RUN_HERE,
    "finetune pairs": f"--dataset pairs --data_path w/pairs --depth_factor 1000 {SMALL} --mypretrain w/junk.pth",
    "finetune redweb": f"--dataset redweb --data_path w/redweb --loss ssi-mse {SMALL} --mypretrain w/junk.pth",
    "finetune pack": f"--dataset pairs --data_path w/pairs_pack --depth_factor 1000 {SMALL.replace('32', '48')} "
    "--mypretrain w/junk.pth",
    "finetune kitti": f"--dataset kitti_depth --data_path w/annotated --split w/kitti {SMALL} --mypretrain w/junk.pth",
    "finetune nyu": f"--dataset nyu --data_path w/nyu {SMALL} --mypretrain w/junk.pth",
    "refine pairs": f"--dataset pairs --data_path w/pairs --depth_factor 1000 --frozen_depth w/frozen {SMALL} "
    "--frozen_factor 1000 --weights_init w/junk.pth",
    "refine inverse": f"--dataset pairs --data_path w/pairs --depth_factor 1000 --frozen_depth w/inverse {SMALL} "
    "--frozen_is inverse --model affine --max_steps 1",
    "finetune two": f"--dataset pairs,nyu --data_path w/pairs_small,w/nyu --depth_factor 1000 0 {SMALL} "
    "--mypretrain w/junk.pth",
    "segment masks": "--data_path w/composites --height 32 --width 64 --model cnn --load_weights w/masks --max_steps 1 "
    "--device cpu --batch_size 2 --num_workers 0 --log_dir runs",
    "refine pack": "--dataset pairs --data_path w/pairs_pack --depth_factor 1000 --frozen_depth w/frozen "
    f"{SMALL.replace('32', '48')} "
    "--frozen_factor 1000 --weights_init w/junk.pth",
    "refine affine": f"--dataset pairs --data_path w/pairs --depth_factor 1000 --frozen_depth w/frozen {SMALL} "
    "--frozen_factor 1000 --model affine --max_steps 1",
    "segment-apply bare": "--load_weights w/masks --data_path w/composites --device cpu --num_workers 0",
    "evaluate pngs": "--pred w/depths --pred_is depth --gt_path w/truth_png --output out.json --num_workers 1",
    "evaluate pack": "--load_weights w/weights --model lite-mono-tiny --data_path w/pack --split w/test_split --gt_path w/gt.npz "
    "--output out.json --num_workers 1 --device cpu",
    "evaluate epochs of run": f"--load_weights own/runs/run --all_epochs {TEST_IMAGES}",
    "evaluate odometry network": "--split odom_09 --load_weights w/weights --data_path w/empty",
    "evaluate odometry folder": "--split odom_09 --pred w/image.png --data_path w/empty",
    "evaluate of a folder": "--pred w/image.npy --data_path w/empty",
    "export int8": "--load_weights w/weights --model lite-mono-tiny --precision int8 --split w/test_split --data_path w/kitti "
    "--gt_path w/gt.npz --output int8.onnx --max_loss 1",
    "evaluate corruptions": f"--load_weights w/weights --model lite-mono-tiny --corruptions fog --severities 1 {TEST_IMAGES}",
    "evaluate sintel": "--pred w/sintel_depths --pred_is depth --gt_path w/sintel --protocol depth-anything --output out.json "
    "--num_workers 1",
    "tables of evaluated": "--runs w/evaluated",
    "compare evaluated": "--log_dir w/evaluated --test test_split",
    "finetune sizes": "--model lite-mono-tiny --dataset redweb --data_path w/redweb --loss ssi-mse --fit cover --max_steps 1 "
    f"{SMALL} --batch_size 8",
    "predict sound": "--load_weights w/weights --model lite-mono-tiny --input w/image.png --device cpu --output pictures",
    "export-gt drive": "--data_path w/kitti --split w/test_split --output out.npz --num_workers 1",
    "export-gt split": "--data_path . --split eigen_benchmark",
    "predict refiner": "--load_weights w/refiner --frozen_depth w/given --input w/pairs/images/pic_0.jpg --output pictures "
    "--device cpu",
    "prepare verify street": "--dataset street --split split --data_path missing",
    "segment composites": "--data_path w/composites_pack --height 32 --width 48 --device cpu --batch_size 2 --num_workers 0 "
    "--load_weights w/weights --log_dir runs",
    "segment-apply composites": "--load_weights w/masks_of_run --device cpu --num_workers 0",
    "evaluate maps": "--pred w/depths --pred_is depth --gt_path w/truth --output out.json --num_workers 1",
    "evaluate own maps": "--pred w/depths --pred_is depth --gt_path own/truth --output out.json --num_workers 1",
    "evaluate disparities": "--pred w/disparities --pred_is disparity --gt_path w/truth --output out.json --num_workers 1",
    "predict image": "--load_weights w/weights --model lite-mono-tiny --input w/image.png --device cpu --output pictures",
    "predict broken": "--load_weights w/weights --model lite-mono-tiny --input w/broken.png --device cpu --output pictures",
    "prepare pack kitti": f"--from w/kitti --split w/kitti --test_split none --size {SIZE} --output out --num_workers 1",
    "prepare pack pairs": "--dataset pairs --from w/pairs --size 64x48 --output out --num_workers 1",
    "prepare verify composites": "--data_path w/composites --num_workers 1",
    "prepare download here": "--output out --split w/kitti --base_url file:///nowhere --parallel 1",
    "prepare maps of objects": "--data_path w/pack --object_masks w/empty",
    "prepare maps": "--data_path w/pack --frozen_depth w/empty",
    "status runs": "--log_dir w/runs",
    "compare runs": "--log_dir w/runs",
    "tables": "--runs w/runs",
    "synthetic rooms": f"composites --output rooms {' '.join(map(str, FEWEST))}",
}

CASES = [
    # frames and lists
    Case("train frames", "~--intrinsics", r"needs (?P<set>--intrinsics fx,fy,cx,cy)"),
    Case("train frames", "--data_path w/half_stated ~--intrinsics", r"the camera as (?P<set>--intrinsics fx,fy,cx,cy)"),
    Case(
        "train frames",
        "--data_path w/empty",
        r"(?P<right>--data_path) w/empty: no images .* needs the frames of one video",
    ),
    Case("train frames", "--data_path w/words --split w/video_list", r"or leave out (?P<drop>--split)"),
    Case("train kitti", "--split w/lacking", r"without these samples: (?P<set>--skip_missing)"),
    Case("train odometry", "--split split", r"goes with (?P<set>--split odom)"),
    Case("train kitti", "--dataset kitti_odom", r"raw drives with (?P<set>--dataset kitti)(?= |$)"),
    Case("train kitti", "--batch_size 14", r"lower (?P<lower>--batch_size) or"),
    Case("train kitti", "--stage .", r"(?P<drop>--stage): copies a pack, .*; leave the flag out"),
    Case(
        "train kitti",
        "--mypretrain w/weights/encoder.pth --model lite-mono",
        r"trained weights: (?=(?P<instead>--load_weights))(?P<set>--load_weights [^ ,]+), with the (?P<right>--model)",
    ),
    Case("train kitti", "--mypretrain w/backbone.pth --model lite-mono", r"backbone: (?P<set>--model [\w-]+)"),
    Case("train frames", "--data_path w/short", r"without (?P<another>--split) at least one needs", "w/short_list"),
    Case("finetune nyu", "--data_path w/nyu_scene", r"; give (?P<another>--split)", "w/nyu_list"),
    # packs
    Case("train pack", "--height 32 --width 64", r"give (?P<set>--height 48 --width 96)"),
    Case(
        "train pack",
        "--height 32 --width 64",
        r"(?P<run>python -m litemono.prepare pack --from ZIPS_OR_FOLDER --size \S+ --output (?P<data_path>ANOTHER_FOLDER))",
        "--from w/kitti --split w/kitti --test_split none --output ANOTHER_FOLDER --num_workers 1",
    ),
    Case(
        "finetune pack",
        "--height 32 --width 64",
        r"(?P<run>python -m litemono.prepare pack --dataset pairs --from FOLDER --size \S+ "
        r"--output (?P<data_path>ANOTHER_FOLDER))",
        "--from w/pairs --output ANOTHER_FOLDER --num_workers 1",
    ),
    Case(
        "train pack",
        "--data_path w/kitti --stage .",
        r"and (?P<another>--data_path) is a folder of images; .* \((?P<run>python -m litemono.prepare pack --help)\) and give",
        "w/pack",
    ),
    Case("train pack", "--dataset kitti_odom", r"packed from (?P<set>--dataset kitti), not"),
    Case("train pack", "--stage auto", r"on its own disk: (?P<set>--stage DIR)"),
    Case("train pack", "--stage /proc", r"(?:or leave out (?P<drop>--stage)|or leave it out)"),
    Case("finetune pack", "--dataset redweb --loss ssi-mse", r"packed from (?P<set>--dataset pairs), not"),
    Case("finetune pack", "--fit cover", r"packed with (?P<set>--fit stretch), not"),
    Case(
        "train pack",
        "--data_path own/broken_pack",
        r"(?P<delete>\S+packed.json): .* delete it and pack this folder again: "
        r"(?P<run>python -m litemono.prepare pack --from ZIPS_OR_FOLDER --output DIR)",
        f"--from w/kitti --output own/broken_pack --split w/kitti --test_split none --size {SIZE} --num_workers 1",
    ),
    Case("train pack", "--stage missing", r"(?P<drop>--stage) missing: .* or leave it out"),
    Case("finetune pack", "--height 32 --width 64", r"give (?P<set>--height 48 --width 64)"),
    Case("finetune pack", "--stage .", r"(?P<drop>--stage): copies packs of drives.*; leave the flag out"),
    # runs
    Case("train run", "--lr 1e-3", r"or another (?P<another>--model_name)"),
    Case("train run", "--drop_path 0.1", r"(?P<drop>--drop_path) was .* use the same flags to resume it"),
    Case("train run", "--split w/lacking --skip_missing", r"or use another (?P<another>--model_name)"),
    Case("train run", "--log_dir own/lost_runs", r"restore it or use another (?P<another>--model_name)"),
    Case("train run", "--drop_path 0.1 --log_dir own/changed_runs", r"or another (?P<another>--model_name)"),
    Case(
        "tables of evaluated",
        "--runs own/runs",
        r"make one: (?P<run>python -m evaluate --load_weights \S+ --data_path KITTI_RAW)",
        f"--load_weights own/runs/run/models/last {TEST_IMAGES}",
    ),
    Case(
        "compare evaluated",
        "--log_dir own/runs",
        r"make them with (?P<run>litemono evaluate --load_weights \S+ --all_epochs --split \S+)",
        TEST_IMAGES,
    ),
    Case(
        "train run",
        "--drop_path 0.1 --log_dir own/changed_runs",
        r"\((?P<drop>--drop_path) was .* use the flags of the run to resume it",
    ),
    Case("status runs", "--log_dir w/kitti", r"give (?P<right>--log_dir) of training"),
    Case("compare runs", "--by nothing", r"choose from (?P<value>[\w/]+)"),
    # depth
    Case("finetune redweb", "--loss silog", r"\((?P<loss>ssi-trimmed)\)"),
    Case("finetune sizes", "--fit native", r"use (?P<set>--fit cover) or --fit stretch"),
    Case("finetune sizes", "--fit native", r"use --fit cover or (?P<set>--fit stretch)"),
    Case("finetune two", "--fit native", r"use (?P<set>--fit cover) or"),
    Case("finetune two", "--fit native", r"or (?P<fit>stretch)"),
    Case("finetune pairs", "--depth_factor 1", r"or (?P<value>1000) \(millimetres\)"),
    Case("finetune pairs", "--batch_size 18", r"lower (?P<lower>--batch_size) or"),
    Case("finetune kitti", "--data_path w/kitti", r"extract data_depth_annotated.zip into (?P<right>--data_path)"),
    Case("refine pairs", "--frozen_factor 256", r"give (?P<set>--frozen_factor \d+)"),
    Case("refine pairs", "--object_weight 0.7", r"give (?P<another>--object_masks)", "w/object_masks"),
    Case("refine pack", "~--frozen_depth", r"give (?P<right>--frozen_depth), the folder"),
    Case(
        "refine affine", "--min_depth 200 --max_depth 300", r"give (?P<right>--min_depth) and (?P<right2>--max_depth)"
    ),
    Case("refine affine", "--frozen_is inverse", r"is it (?P<set>--frozen_is depth), or"),
    Case("refine inverse", "--frozen_is depth", r"is it (?P<set>--frozen_is inverse), or"),
    Case("segment masks", "--model unet-resnet18", r"weights of cnn: (?P<set>--model cnn)"),
    Case("refine affine", "--model affine-grid --load_weights w/refiner", r"trained with (?P<set>--model affine), not"),
    # composites
    Case("segment composites", "--height 64 --width 96", r"train with (?P<set>--height 32 --width 48)"),
    Case(
        "segment composites",
        "--height 64 --width 96",
        r"(?P<run>python -m litemono.prepare pack-composites --from FOLDER --size \S+ --output (?P<data_path>ANOTHER_FOLDER))",
        "--from w/composites --output ANOTHER_FOLDER",
    ),
    Case(
        "segment-apply composites",
        "--output w/composites/mask",
        r"(?P<another>--output) \S+: predictions there .*; choose another folder",
    ),
    Case(
        "segment-apply composites",
        "--load_weights own/masks_damaged",
        r"(?P<delete>\S+config.json) is damaged; .* delete it and give (?P<another>--data_path) and (?P<set>--part all)",
        "w/composites",
    ),
    Case("segment-apply bare", "--data_path w/no_truth", r"give (?P<another>--output) to write predictions", "out"),
    Case("segment-apply bare", "--part val", r"(?P<drop>--part) val: .*; leave it out"),
    Case("segment-apply bare", "~--data_path", r"; give (?P<right>--data_path)"),
    # predictions
    Case("evaluate pngs", "--gt_factor 1", r"is (?P<drop>--gt_factor) 1(?:.0)? right"),
    Case("evaluate pack", "--image_crop kb", r"or (?P<set>--image_crop none)"),
    Case(
        "evaluate pack",
        "--load_weights missing",
        r"(?P<right>--load_weights) missing: .*; give one like RUN/models/last",
    ),
    Case(
        "evaluate epochs of run",
        "--output x.json",
        r"leave out (?P<drop>--all_epochs) and --last_epochs and give one of the epochs as (?P<another>--load_weights)",
        "own/runs/run/models/weights_0",
    ),
    Case("evaluate epochs of run", "--load_weights w/weights", r"a run folder such as (?P<value>runs/mytrain)"),
    Case("export-gt drive", "--data_path w/empty", r"missing below (?P<right>--data_path)"),
    Case("export-gt drive", "--data_path w/uncalibrated", r"into (?P<right>--data_path)"),
    Case(
        "export-gt split",
        "--split benchmark",
        r"(?P<run>python -m litemono.predict --input IMAGES --save_npy); .*(?P<set>--split eigen_benchmark)",
        "--input w/image.png --load_weights w/weights --model lite-mono-tiny --device cpu --output pictures --save_npy",
    ),
    Case("export-gt split", "--split benchmark", r"with public ground truth: (?P<set>--split eigen_benchmark)"),
    Case("evaluate maps", "~--pred_is", r"its numbers are: (?P<set>--pred_is depth)"),
    Case("evaluate maps", "--pred w/few", r"evaluate the others: (?P<set>--allow_missing)"),
    Case("evaluate maps", "--pred_is disparity", r"give (?P<set>--pred_is depth)"),
    Case(
        "evaluate own maps",
        "",
        r"not a readable depth map .*; (?P<mend>write or download it again)",
        damage="map cut short",
    ),
    Case("evaluate maps", "--crop nyu", r"or (?P<set>--crop none)"),
    Case("evaluate maps", "--protocol eval-with-pngs-nyu", r"choose another (?P<another>--protocol) or", "eigen"),
    Case("evaluate maps", "--protocol bts", r"choose another (?P<another>--protocol), or", "eigen"),
    Case("evaluate sintel", "--occluded leave_out", r"extract them there or leave out (?P<drop>--occluded)"),
    Case(
        "evaluate odometry network", "~--data_path", r"folder of KITTI odometry: (?P<right>--data_path) KITTI_ODOMETRY"
    ),
    Case("evaluate odometry network", "--pred w/image.png", r"or (?P<drop>--pred) TRAJECTORY"),
    Case("evaluate odometry folder", "~--data_path", r"or (?P<right>--data_path) KITTI_ODOMETRY"),
    Case("evaluate of a folder", "~--data_path", r"or (?P<right>--data_path)\)"),
    Case(
        "export int8",
        "--gt_path own/other_gt/gt.npz",
        r"made for other images than --split .* make it: (?P<run>python -m export_gt --data_path \S+ --split \S+ --output \S+)",
    ),
    Case(
        "export int8",
        "--gt_path own/other_gt/junk.npz",
        r"not a ground-truth file of export_gt .* make it: (?P<run>python -m export_gt --data_path \S+ --split \S+ --output \S+)",
    ),
    Case("evaluate corruptions", "--gt_path w/blank.npz", r"check (?P<right>--gt_path) and --split"),
    Case("evaluate maps", "--crop kb-garg", r"or (?P<drop>--crop) and --image_crop without kb"),
    Case(
        "evaluate maps", "--image_crop kb --crop kb-garg", r"or (?P<drop>--crop) and (?P<drop2>--image_crop) without kb"
    ),
    Case("evaluate maps", "--occluded leave_out", r"(?P<drop>--occluded) leave_out: .*; leave the flag out"),
    Case("evaluate maps", "--output file/below/x.json", r"give another place: (?P<set>--output errors.json)"),
    Case("evaluate maps", "--gt_path w/blank", r"check (?P<right>--gt_path), --data_path and --split"),
    Case("evaluate disparities", "--pred_is depth", r"give (?P<set>--pred_is disparity), or relative"),
    Case("evaluate disparities", "--pred_is relative", r"add (?P<set>--align scale_shift_disparity)"),
    # weights and images
    Case("predict image", "--frozen_depth w/empty", r"(?P<drop>--frozen_depth): .* is no refiner .*; leave it out"),
    Case("predict image", "--fps 5", r"made of images: (?P<set>--video side-by-side) or depth"),
    Case("predict image", "--fps 5", r"made of images: (?P<set>--video) side-by-side or (?P<video>depth)"),
    Case("predict image", "--metric_head kitti", r"(?P<drop>--metric_head): .*; leave the flag out"),
    Case("predict image", "--output file/below", r"choose another (?P<another>--output)"),
    Case(
        "predict sound", "--input w/sound.mp4", r"has no pictures, only other streams; give another (?P<right>--input)"
    ),
    Case("predict sound", "--input w/broken.avi", r"not one frame could be read; give another (?P<right>--input)"),
    Case("predict image", "--device mps", r"use (?P<set>--device cpu)"),
    Case(
        "predict broken",
        "--load_weights own/damaged ~--model",
        r"(?P<delete>\S+config.json) is damaged; restore it, or delete it and give (?P<right>--model)",
    ),
    Case("predict refiner", "~--frozen_depth", r"give (?P<right>--frozen_depth)"),
    Case("predict refiner", "--smooth 0.5", r"without --video and (?P<drop>--smooth)"),
    Case("predict refiner", "--video depth", r"without (?P<drop>--video) and --smooth"),
    Case("predict refiner", "--backend onnxruntime", r"(?P<drop>--backend) onnxruntime: .*; leave it out"),
    Case("predict refiner", "--model lite-mono", r"(?P<drop>--model): a refiner has its own; leave it out"),
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
    Case("prepare maps of objects", "~--object_masks", r"(?P<right>--object_masks) or both"),
    Case("prepare maps", "~--frozen_depth", r"give (?P<right>--frozen_depth), --object_masks or both"),
    Case(
        "prepare maps",
        "--data_path w/kitti",
        r"(?P<right>--data_path) w/kitti: is no pack; make one: (?P<run>python -m litemono.prepare pack --help)",
    ),
    Case("synthetic rooms", "--output w/empty", r"is no rendered world; choose another (?P<right>--output)"),
    Case("synthetic rooms", "--output w/composites", r"remove it or choose another (?P<another>--output)"),
    Case("tables", "--runs missing", r"(?P<right>--runs) missing: .* give the folder with the runs"),
]
