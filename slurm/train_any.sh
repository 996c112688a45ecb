#!/bin/bash
# Any training command on one GPU until its run is finished, however many jobs of 24 hours that takes.
#
#     sbatch --job-name=metric slurm/train_any.sh finetune --data_path kitti_data
#     sbatch --job-name=seeds --array=0-2 slurm/train_any.sh train --data_path kitti_data
#
# The first word is the command: what `litemono` lists as a training. The rest is as in train_v100.sh.
# slurm/README.md explains every line.
#SBATCH --job-name=training
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

# A wrong word would look like a crash, which is tried again.
command=${1:-}
python - "$command" <<'PYTHON' || exit 2
import sys
from litemono.tasks import COMMANDS
if sys.argv[1] not in COMMANDS:
    sys.exit(f"train_any.sh {sys.argv[1]}: there is no such training; the first word is one of {', '.join(COMMANDS)}")
PYTHON
shift

srun --chdir="$code" --nodes=1 --ntasks=1 --ntasks-per-node=1 --cpus-per-task="$SLURM_CPUS_PER_TASK" python -m "litemono.$command" "${run[@]}" "$@"
end_or_requeue $?
