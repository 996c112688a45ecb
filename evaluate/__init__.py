"""Depth predictions against ground truth: the protocols behind published numbers.

__main__.py           the evaluate command
settings.py           its flags; checks.py: which go together
inputs.py             what they name: images, ground truth, predictions; keys.py: which of them belong together
protocol.py           a protocol is data; the published ones by name; windows.py: their crops
evaluation.py         one evaluation from checked flags to its figures
results.py            the settings and figures of one evaluation, as printed and as JSON; provenance.py: which code made them
paired_difference.py  --against: the paired difference to another result
single.py             one network or prediction: table, JSON, report
comparison.py         --compare: several on the same images
epochs.py             --all_epochs: every saved epoch in one pass; epoch_curve.py draws them
corrupted_images.py   --corruptions: every image clean and corrupted

scoring/     alignment, metrics, one image, a whole set, intervals, distributions
sources/     predictions of networks and of files, ground truth, and which belongs to which
reports/     --report: one HTML file
tables/      python -m evaluate.tables: our runs beside published numbers
robustness/  KITTI-C: the corruptions, their scores, the published ones
odometry/    --split odom_09: the pose network, trajectories
"""
