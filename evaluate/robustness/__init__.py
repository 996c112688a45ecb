"""evaluate --corruptions: KITTI-C."""
