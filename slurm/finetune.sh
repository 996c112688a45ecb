#!/bin/bash
# Train with ground truth on one GPU until the run is finished, however many jobs of 24 hours that takes.
#
#     sbatch slurm/finetune.sh --data_path kitti_data
#     sbatch --job-name=metric slurm/finetune.sh --data_path kitti_data --load_weights runs/lite-mono/models/last
#
# sbatch's own flags go before the script, training flags after it (python -m litemono.finetune --help). The job's name is
# the run's name: its folder is runs/NAME. The same command resumes a run that was cancelled.
# The same as `sbatch --job-name=finetune slurm/train_any.sh finetune`. slurm/README.md explains every line.
#SBATCH --job-name=finetune
#SBATCH --partition=gpu
#SBATCH --gpus-per-node=1
#SBATCH --cpus-per-task=2
#SBATCH --mem=16G
#SBATCH --time=24:00:00
#SBATCH --output=logs/%j.out
#SBATCH --open-mode=append
#SBATCH --signal=USR2@120
#SBATCH --requeue

[ -f slurm/train_any.sh ] || { echo "$PWD is not the checkout: cd into it, then sbatch slurm/NAME.sh" >&2; exit 2; }
exec bash slurm/train_any.sh finetune "$@"
