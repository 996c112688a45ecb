"""KITTI's own files: paths and archives, calibration, velodyne scans. Which data set has what: `litemono/data/datasets`."""
