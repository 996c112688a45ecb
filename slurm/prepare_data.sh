#!/bin/bash
# Pack the frames of a split from KITTI's zips, on a CPU node. Killed or out of time: the same command resumes.
#
#     sbatch slurm/prepare_data.sh --from /scratch/$USER/kitti_zips --output kitti_640x192
#     python -m litemono.prepare pack --help      the other flags
#
# slurm/README.md explains every line.
#SBATCH --job-name=prepare
#SBATCH --partition=compute
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --time=12:00:00
#SBATCH --output=logs/%j.out
#SBATCH --open-mode=append
#SBATCH --requeue

source slurm/environment.sh || { echo "$PWD is not the checkout: cd into it, then sbatch slurm/NAME.sh" >&2; exit 2; }
exec srun --nodes=1 --ntasks=1 --ntasks-per-node=1 --cpus-per-task="$SLURM_CPUS_PER_TASK" python -m litemono.prepare pack "$@"
