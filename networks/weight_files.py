"""Names of the files in weights folders."""

from __future__ import annotations

from networks import registry

ENCODER, DECODER = (file for _, file in registry.ENCODER_AND_DECODER.files)
POSE_ENCODER, POSE_DECODER = "pose_encoder.pth", "pose.pth"
SIZE_ENTRIES = ("height", "width", "use_stereo")  # in encoder.pth beside the tensors
FIRST_FILES = {spec.weights.files[0]: spec.weights for spec in registry.SPECS.values()}
SETTINGS_FILES = [weights.settings for weights in FIRST_FILES.values() if weights.settings]
