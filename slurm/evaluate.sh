#!/bin/bash
# Depth errors of trained weights on a test split; the numbers are in the log and, as JSON, beside the weights.
#
#     sbatch slurm/evaluate.sh --load_weights runs/lite-mono/models/last --data_path kitti_data
#     sbatch --array=0-2 slurm/evaluate.sh --load_weights runs/seeds/%a --all_epochs --data_path kitti_data
#     python -m evaluate --help      the other flags
#
# %a in a flag is the number of the array's task.
#
# slurm/README.md explains every line.
#SBATCH --job-name=evaluate
#SBATCH --partition=gpu
#SBATCH --gpus-per-node=1
#SBATCH --cpus-per-task=2
#SBATCH --mem=16G
#SBATCH --time=00:30:00
#SBATCH --output=logs/%j.out
#SBATCH --open-mode=append
#SBATCH --requeue

source slurm/environment.sh || { echo "$PWD is not the checkout: cd into it, then sbatch slurm/NAME.sh" >&2; exit 2; }
set -- "${@//%a/${SLURM_ARRAY_TASK_ID:-%a}}"
exec srun --nodes=1 --ntasks=1 --ntasks-per-node=1 --cpus-per-task="$SLURM_CPUS_PER_TASK" python -m evaluate "$@"
