#!/bin/bash
# Train on one GPU until the run is finished, however many jobs of 24 hours that takes.
#
#     sbatch slurm/train_v100.sh --data_path kitti_data
#     sbatch --job-name=small --partition=gpu-v100 slurm/train_v100.sh --data_path kitti_data --model lite-mono-small
#
# sbatch's own flags go before the script, training flags after it (python -m litemono.train --help). The job's name is
# the run's name: its folder is runs/NAME. The same command resumes a run that was cancelled.
# slurm/README.md explains every line.
#SBATCH --job-name=lite-mono
#SBATCH --partition=gpu
#SBATCH --gpus-per-node=1
#SBATCH --cpus-per-task=2
#SBATCH --mem=16G
#SBATCH --time=24:00:00
#SBATCH --output=logs/%j.out
#SBATCH --open-mode=append
#SBATCH --signal=USR2@120
#SBATCH --requeue

source slurm/environment.sh || { echo "$PWD is not the checkout: cd into it, then sbatch slurm/NAME.sh" >&2; exit 2; }
source slurm/requeue.sh

srun --chdir="$code" --nodes=1 --ntasks=1 --ntasks-per-node=1 --cpus-per-task="$SLURM_CPUS_PER_TASK" python -m litemono.train "${run[@]}" "$@"
end_or_requeue $?
