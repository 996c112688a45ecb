"""Advice that other tests follow. By a part of the message: the test."""

from __future__ import annotations

PRINTED, INTERFACE = "advice/test_printed_commands.py", "advice/test_interface.py"
DOWNLOAD = "data/packing/test_download.py"
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
    "is --base_url right?": f"{DOWNLOAD}::test_a_wrong_address_is_told_and_the_right_one_works",
    "Packing straight from the server": f"{DOWNLOAD}::"
    "test_too_little_room_is_told_before_anything_is_fetched_and_packing_from_the_server_works",
    "fetch the archives first (python -m litemono.prepare download)": f"{DOWNLOAD}::"
    "test_archives_are_fetched_first_from_a_server_without_ranges_or_lengths",
    "there are no zips to delete when --from is an address": f"{DOWNLOAD}::test_without_zips_here_none_are_deleted",
    "ImageNet weights are not here": "test_doctor.py::test_imagenet_weights_that_prepare_puts_here_are_found",
    "cannot be imported ({}); pip install -c": "test_doctor.py::"
    "test_without_torch_the_pin_is_named_and_with_it_the_finding_is_good",
    "use an environment without it, or pip uninstall": "test_doctor.py::"
    "test_another_package_named_evaluate_is_named_with_the_way_out",
    "is not writable; give another --log_dir": "test_doctor.py::"
    "test_a_log_dir_that_cannot_be_written_is_bad_and_another_is_good",
    "download the whole repository again": f"{INTERFACE}::test_a_repository_is_whole_when_all_its_files_are_downloaded",
    "the Hugging Face repository cannot be read": f"{INTERFACE}::"
    "test_a_repository_that_is_downloaded_beforehand_needs_no_internet",
    "cannot have it; it has no choice; leave it out": f"{INTERFACE}::test_a_network_without_a_choice_of_attention",
    "needs a pose network; without one": f"{INTERFACE}::test_a_model_without_pose_network_takes_the_frames_that_are_named",
    "so it is none alone; use litemono predict": f"{INTERFACE}::test_a_refiner_by_its_name_is_no_depth_network",
    "pack the split that needs it": f"{INTERFACE}::test_a_frame_that_is_not_packed_is_added_by_the_printed_command",
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
    # one of the printed names
    "there is no network {} of mask and depth": f"{INTERFACE}::test_a_network_has_one_of_the_printed_names",
    "there is no ResNet-{} pose encoder": f"{INTERFACE}::test_a_network_has_one_of_the_printed_names",
    "there is no refiner {}": f"{INTERFACE}::test_a_network_has_one_of_the_printed_names",
    "there is no depth network {}": f"{INTERFACE}::test_a_network_has_one_of_the_printed_names",
    "there is no such loss": "losses/test_loss_registry.py::test_another_name_is_refused_with_the_names_there_are",
    "cannot have it; choose from": "networks/test_relative_weights.py::"
    "test_attention_that_a_network_cannot_have_is_refused",
    "'s layout; choose {}": "evaluate/sources/test_midas_predictions.py::"
    "test_eth3d_has_numbers_under_the_names_of_photos",
    "use fp16": "engine/test_precision.py::test_each_gpu_gets_what_it_is_built_for",
    # files and folders
    "holds something else than weights": f"{INTERFACE}::"
    "test_weights_are_saved_into_another_folder_than_that_of_other_files",
    "is in use by {}; wait or stop it": "engine/test_run_folder.py::"
    "test_a_second_process_is_refused_with_the_name_of_the_first",
    "export its disparity": "test_export.py::test_relative_networks_are_exported",
    "; export it again": "test_export.py::test_changed_and_foreign_files_are_refused",
    "download or export it again": "hub/test_hub.py::test_damaged_folders_are_refused_in_a_sentence",
    "or give docker://NAME": "jobs/test_container.py::test_what_cannot_work_is_said_before_the_queue",
    "name the one to submit to": "jobs/test_environment.py::test_several_clusters_are_refused",
    "has no depth for any of": "data/packing/test_pack_depth.py::test_archives_give_the_same_pack_as_folders",
    "give the folder of one sweep": "test_compare.py::test_what_cannot_be_compared_is_refused",
    "give imagecorruptions' folder frost": "evaluate/robustness/test_robustness.py::test_frost_takes_photos",
    "is no readable image ({}); replace it": "evaluate/robustness/test_robustness.py::test_frost_takes_photos",
    "--against {}: ": "evaluate/test_paired_difference.py::test_results_that_cannot_be_compared_are_refused",
    "or copy {} of that repository to {}": "networks/test_imagenet.py::"
    "test_without_internet_the_file_is_copied_to_where_the_message_says",
    "{}: cannot be written ({}); choose another folder": "networks/test_imagenet.py::"
    "test_without_internet_the_file_is_copied_to_where_the_message_says",
    # data
    "16 bits end at 65535; scale them": "data/stores/test_arrays.py::"
    "test_numbers_of_more_than_16_bits_are_refused_and_not_cut",
    "archives are not here yet": f"{DOWNLOAD}::test_an_unreachable_server_is_told_and_the_same_command_works_later",
    "which predict did not write; take it away": "predicting/test_video.py::test_other_settings_begin_anew",
    "places in a table of colours": "data/stores/test_arrays.py::"
    "test_places_in_a_table_of_colours_are_no_depth_but_are_labels",
    "divide them by their factor": "data/test_mirrored.py::test_whole_numbers_are_no_metres",
    "pixels of type {}: give": "test_api.py::test_pixels_of_other_types_are_given_as_the_message_says",
    "use its disparity, or fit": "test_api.py::test_the_output_of_the_registry_names_what_is_predicted",
    "save it as .png": "test_api.py::test_a_result_is_saved_as_picture_or_numbers",
    "there is no such data set": "data/datasets/test_dataset_registry.py::"
    "test_a_name_that_is_not_there_is_refused_with_those_that_are",
    "by hand, then pack it": "data/packing/test_pack_pictures.py::test_zips_give_the_same_pack",
    "not videos; train on their depth": f"{PRINTED}::test_pictures_are_trained_by_the_printed_command",
    "; run the same command again later": f"{DOWNLOAD}::"
    "test_an_unreachable_server_is_told_and_the_same_command_works_later",
    "marked as UTF-8 and is not; extract": "data/packing/test_sources.py::"
    "test_a_zip_whose_names_claim_to_be_utf_8_is_named_and_its_folder_is_read",
    "does not lie below this address": "data/packing/test_pack_depth.py::"
    "test_depth_that_lies_elsewhere_than_the_drives_is_packed_from_a_folder",
    "others of this camera have": "test_refine.py::"
    "test_packed_depth_and_masks_train_the_same_bits_and_a_second_packing_adds_nothing",
    "no {} picture {}; extract {} there": "data/stores/test_arrays.py::"
    "test_a_missing_or_damaged_depth_picture_names_file_and_archive",
    "-bit {} picture (it has": "data/stores/test_arrays.py::"
    "test_a_missing_or_damaged_depth_picture_names_file_and_archive",
    "{} is damaged ({}); delete this file": "data/stores/test_packed_jpeg.py::"
    "test_damaged_frames_are_named_and_packed_again_when_their_file_is_deleted",
    "; pack it into the same folder": "data/packing/test_pack_pictures.py::"
    "test_a_split_chooses_and_names_what_is_not_there",
    "in it belongs to another user": "data/stores/test_staging.py::"
    "test_a_link_that_another_user_may_have_made_is_not_used_and_another_folder_is",
    "cannot be made ({}); choose another folder": "test_demo.py::test_the_story_runs_from_rendering_to_pictures",
    "write all with one factor": "data/packing/test_pack_pictures.py::"
    "test_the_factor_that_depth_states_is_compared_after_packing_too",
    "which onnxruntime or openvino runs": "predicting/test_backends.py::"
    "test_an_exported_file_runs_in_both_runtimes_but_not_in_torch",
}

NOT_FOLLOWED = {
    # the internet
    "no address works for --dataset": "its archives are given out after a form",
    "pip install scikit-image pooch": "installs packages and fetches a picture",
    # packages and compilers to install
    "--tracker {}: it is not installed": "installs Weights & Biases",
    "try another --opset or torch release": "needs a release of torch that exports wrongly",
    "computes something else than its plain code on this machine": "needs a compiler that computes wrongly",
    # GPUs, clusters, disks
    "works in one process only; leave it out on several GPUs": "needs two GPUs",
    "runs on the CPU here; add --device cpu": "needs a GPU",
}
"""A part of the message -> why its advice is not followed."""

MENTIONED = {
    # what the message is about
    "without --account (yours is": "--account",
    "needs the frames of one video, or one folder for each": "--dataset",
    "names a data set twice; give each once, and --mix": "--mix",
    "is --from itself; the pack needs a folder": "--from",
    "do not go with --sync_bn, which replaces": "--sync_bn",
    "(also called --load_pred)": "--load_pred",
    "need a network: they do not go with --pred": "--pred",
    "needs a network: it does not go with --pred": "--pred",
    "does not go with --compare; leave it out": "--compare",
    "need a run folder: --load_weights runs/mytrain": "--last_epochs",
    "for one evaluation; leave it out": "--last_epochs",
    "--all_epochs takes a run folder such as": "--all_epochs",
    # other causes that are to be checked
    "counts; check --gt_path and --split": "--split",
    "counts; check --gt_path, --data_path and --split": "--data_path --split",
    # followed in tests/data/packing/test_download.py, which has a server
    "; fetch them (python -m litemono.prepare download)": "python -m litemono.prepare download",
    "run `python -m litemono.prepare weights` on a login node": "python -m litemono.prepare weights",
    "; the --help of the training lists its flags": "--help",
    # runs until it is stopped; followed in tests/test_status.py
    "watch a sweep with litemono status --watch": "litemono status --watch",
}
"""A part of the message -> flags and commands in it that no case does."""
