"""Depth predictions against ground truth: the protocol behind every published KITTI number.

protocol.py     which pixels count, scaling, errors of one image and of a split
predictions.py  disparities from a network or a file
results.py      the settings and figures of one evaluation, as printed and as JSON
tables.py       python -m evaluate.tables: our runs beside the paper
__main__.py     the evaluate command
"""
