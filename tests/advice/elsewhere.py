"""Advice that other tests follow. By a part of the message: the test."""

from __future__ import annotations

PRINTED = "advice/test_printed_commands.py"
FOLLOWED_BY = {
    "or render some (python -m litemono.synthetic": f"{PRINTED}::test_composites_are_rendered_by_the_printed_command",
    "there is no such ground-truth file; make it": f"{PRINTED}::test_ground_truth_is_made_by_the_printed_command",
    "would both become": f"{PRINTED}::test_two_images_of_one_name_are_told_apart_by_ext",
    "--device {}: choose the card by": f"{PRINTED}::test_a_card_by_number_ends_at_a_device_that_is_there",
    "--device cuda: torch sees no GPU": f"{PRINTED}::test_a_card_by_number_ends_at_a_device_that_is_there",
    "not checked: give --data_path": f"{PRINTED}::test_the_doctor_checks_the_data_that_it_asked_for",
    "verify lists all)": f"{PRINTED}::test_the_doctor_checks_the_data_that_it_asked_for",
    "remove the pack's folder and pack again": f"{PRINTED}::test_a_damaged_pack_of_composites_is_packed_again",
    "delete it and pack into this folder again": f"{PRINTED}::test_a_damaged_index_of_pictures_is_packed_again",
    "another {} runs in this folder": f"{PRINTED}::test_a_pack_beside_a_running_one_goes_into_another_folder",
    ": these are {} weights: --model {}": f"{PRINTED}::test_weights_of_another_network_name_the_model_that_reads_them",
    "use litemono segment-apply": f"{PRINTED}::test_weights_of_masks_are_taken_by_the_named_command",
    "the pack is damaged. Run the same": "data/packing/test_pack_depth.py::"
    "test_the_same_command_packs_again_what_is_damaged_and_adds_what_is_new",
    "run the job from the checkout": "jobs/test_snapshot.py::test_a_large_file_among_the_code_is_refused_by_name",
    "reads predictions two times": "evaluate/sources/test_predictions_of_a_split.py::"
    "test_a_network_is_not_aligned_per_video_and_the_advice_works",
    "or --metric_head instead": "test_finetune.py::"
    "test_a_dpt_predicts_metres_by_an_estimated_head_that_is_resumed_and_evaluated",
    "gives what it was exported with; leave the flag out": "hub/test_hub.py::"
    "test_a_network_of_relative_depth_comes_back_with_its_attention_and_metric_head",
    "give their folder as --data_path": "exporting/test_real_frames.py::test_the_printed_errors_are_those_of_evaluate",
    "or a larger --max_loss": "exporting/test_real_frames.py::test_int8_takes_its_ranges_from_real_frames",
    "needs a scale and a shift for each image; give --images": "exporting/test_real_frames.py::"
    "test_fp16_keeps_its_input_and_output",
    "holds {}; leave the flag out": "test_export.py::test_the_file_is_evaluated_and_predicts_like_the_network",
    "so its input and output are unknown; export it here": "test_export.py::"
    "test_the_file_is_evaluated_and_predicts_like_the_network",
    "restore it, or delete it and give --height": "test_predict.py::"
    "test_a_published_file_of_a_network_of_relative_depth_is_recognised",
    "does not say its input size; give --height and --width": "test_predict.py::"
    "test_a_published_file_of_a_network_of_relative_depth_is_recognised",
    "which onnxruntime or openvino runs": "predicting/test_backends.py::"
    "test_an_exported_file_runs_in_both_runtimes_but_not_in_torch",
}

NOT_FOLLOWED = {
    # the internet
    "is --base_url right?": "needs KITTI's server",
    "Packing straight from the server": "needs KITTI's server",
    "fetch the archives first (python -m litemono.prepare download)": "needs a server, and KITTI's archives",
    "no address works for --dataset": "its archives are given out after a form",
    "there are no zips to delete when --from is an address": "needs KITTI's server",
    "pip install scikit-image pooch": "installs packages and fetches a picture",
    "ImageNet weights are not here": "fetches weights; `scratch` is what most tests here train from",
    "download the whole repository again": "needs Hugging Face",
    "the Hugging Face repository cannot be read": "needs Hugging Face",
    # packages and compilers to install
    "cannot be imported ({}); pip install -c envs/v100.txt": "installs torch",
    "not installed; pip install 'litemono[{}]'": "installs packages",
    "use an environment without it, or pip uninstall": "makes another environment",
    "try another --opset or torch release": "needs a release of torch that exports wrongly",
    "differs from the plain one on this machine": "needs a compiler that computes wrongly",
    "computes something else than its plain code on this machine": "needs a compiler that computes wrongly",
    # GPUs, clusters, disks
    "works in one process only; leave it out on several GPUs": "needs two GPUs",
    "runs on the CPU here; add --device cpu": "needs a GPU",
    "is not writable; give another --log_dir": "the superuser, who runs CI, may write everywhere",
    # data of others
    "give the folder of KITTI odometry": "needs KITTI odometry",
    # shown by what cannot be made in a moment
    "pack the split that needs it into the same folder": "a list that changed while it was read",
    "made for other images than --split": "exports a network; the printed command is that of evaluate, which is followed",
    # of the Python API
    "has no published intrinsics": "a data set class without the method; the commands refuse before",
    "has no calibration files; give --intrinsics": "a data set class without the method; the commands refuse before",
    "needs a pose network; without one": "a model that no command builds",
    "so it is none alone; use litemono predict": "a network by a name that no command takes",
}
"""A part of the message -> why its advice is not followed."""
