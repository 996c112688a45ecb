"""Data sets, one class and one file each.

A new one is a subclass of base.Dataset (of base.PackableDataset if `litemono.prepare` can pack it) in a file of its own,
and one entry in registry.DATASETS. Flags, help texts, checks and the doctor read the registry.
"""
