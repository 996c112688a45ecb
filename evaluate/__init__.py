"""Depth predictions against ground truth: the protocols behind published numbers.

protocol.py          a protocol is data; the published ones by name
windows.py           the crops
alignment.py         bringing predictions to metres
metrics.py           every metric by name, and means over images or pixels
scoring.py           one prediction against its ground truth
scores.py            a whole set, on threads
predictions.py       disparities from a network or one array
network.py           the network and its run's settings
placing.py           where a prediction lies in its image
prediction_files.py  predictions of other programs, by name
truth.py             ground truth: a file, or a folder of KITTI, TUM, Sintel, NYU
names.py             which prediction belongs to which ground truth
map_files.py         one map in a file
intervals.py         bootstrap intervals
direction.py         depth given as disparity, and the other way round
corruptions.py       the 18 corruptions of KITTI-C; corruption_layers.py: what they are made of
robustness.py        --corruptions: every image in all of them; mCE and mRR are in corruption_scores.py
odometry.py          --split odom_09: the pose network; trajectory.py: alignment and errors
compare.py           paired difference to another result
results.py           the settings and figures of one evaluation, as printed and as JSON
settings.py          the flags
inputs.py            what they name: images, ground truth, predictions
evaluation.py        from checked flags to table and JSON
epochs.py            every saved epoch of a run in one pass; epoch_curve.py draws them
distribution.py      errors over distance and size, pixel by pixel
comparison.py        --compare: several on the same images
report.py            --report: one HTML file; its figures and pictures beside it, its page in templates/
tables.py            python -m evaluate.tables: our runs beside published numbers
table_rows.py        what stands together, and what is not comparable
table_formats.py     terminal, Markdown, LaTeX, CSV
published.py         published numbers with source and protocol (published_results.json)
__main__.py          the evaluate command
"""
