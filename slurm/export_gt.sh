#!/bin/bash
# Make the ground truth that evaluate compares with, from KITTI's laser scans, on a CPU node.
#
#     sbatch slurm/export_gt.sh --data_path kitti_data --split eigen
#     python -m export_gt --help      the other flags
#
# slurm/README.md explains every line.
#SBATCH --job-name=export_gt
#SBATCH --partition=compute
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --time=01:00:00
#SBATCH --output=logs/%j.out
#SBATCH --open-mode=append
#SBATCH --requeue

source slurm/environment.sh || { echo "$PWD is not the checkout: cd into it, then sbatch slurm/NAME.sh" >&2; exit 2; }
exec srun --nodes=1 --ntasks=1 --ntasks-per-node=1 --cpus-per-task="$SLURM_CPUS_PER_TASK" python -m export_gt "$@"
