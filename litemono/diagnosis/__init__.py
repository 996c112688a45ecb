"""What litemono.doctor looks at: the machine (machine.py), the GPU (gpu.py), the data (data.py), the cluster (cluster.py)."""
