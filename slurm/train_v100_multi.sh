#!/bin/bash
# Train on several GPUs and nodes: one process per GPU, gradients averaged over all of them (DDP).
#
#     sbatch slurm/train_v100_multi.sh --data_path kitti_data
#     sbatch --nodes=1 --ntasks-per-node=2 --gpus-per-node=2 slurm/train_v100_multi.sh --data_path kitti_data
#
# --ntasks-per-node and --gpus-per-node must be the same number. Every step sees nodes x GPUs x --batch_size samples:
# divide --batch_size by the number of GPUs to train as on one. A run may be resumed with another number of GPUs.
# slurm/README.md explains every line.
#SBATCH --job-name=lite-mono-multi
#SBATCH --partition=gpu
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=2
#SBATCH --mem=64G
#SBATCH --time=24:00:00
#SBATCH --output=logs/%j.out
#SBATCH --open-mode=append
#SBATCH --signal=USR2@120
#SBATCH --requeue

source slurm/environment.sh || { echo "$PWD is not the checkout: cd into it, then sbatch slurm/NAME.sh" >&2; exit 2; }
source slurm/requeue.sh

# The processes find each other at the first node.
export MASTER_ADDR=${MASTER_ADDR:-$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)}
MASTER_PORT=$(rendezvous_port)
export MASTER_PORT

# Each process learns its number from srun. When one ends, the others have two minutes to end as well.
srun --chdir="$code" --cpus-per-task="$SLURM_CPUS_PER_TASK" --wait=120 bash -c '
  export RANK=$SLURM_PROCID WORLD_SIZE=$SLURM_NTASKS LOCAL_RANK=$SLURM_LOCALID
  exec python -m litemono.train "$@"
' train "${run[@]}" "$@"
end_or_requeue $?
