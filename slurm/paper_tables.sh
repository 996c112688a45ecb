#!/bin/bash
# Everything for the paper's tables, as a chain of jobs: ground truth, one training per model, the evaluation of its last weights,
# a table beside published rows. With several seeds, every epoch and intervals: reproduce.sh.
# Start it on the login node; it submits and returns.
#
#     bash slurm/paper_tables.sh --data_path kitti_640x192
#     MODELS="lite-mono lite-mono-tiny" GPU="--partition=gpu-v100 --account=research" CPU="--partition=compute" \
#         bash slurm/paper_tables.sh --data_path kitti_640x192 --num_epochs 30
#
# The flags are those of training and go to every one of them; --data_path must be given as two words.
#     MODELS     the models to train                        GPU   sbatch flags of trainings and evaluations
#     LOG_DIR    folder of the runs (default runs/paper)    CPU   sbatch flags of the other jobs
#     TEST_SPLIT the split that is evaluated (default eigen)
set -euo pipefail
cd "$(dirname "$0")/.."
source slurm/submit.sh
mkdir -p logs

models=${MODELS:-$all_models}
runs=${LOG_DIR:-runs/paper}
split=${TEST_SPLIT:-eigen}
data=
images=()
for ((i = 1; i <= $#; i++)); do
  [ "${!i}" != --data_path ] || { next=$((i + 1)); data=${!next}; }
  [ "${!i}" != --png ] || images=(--png)
done
[ -n "$data" ] || { echo "usage: bash slurm/paper_tables.sh --data_path FOLDER [training flags]" >&2; exit 2; }

truth=$(submit_truth export_gt "$data" "$split")
echo "ground truth    job $truth"
evaluations=
# GPU holds several words.
# shellcheck disable=SC2086
for model in $models; do
  train=$(submit "" ${GPU:-} --job-name="$model" slurm/train_v100.sh --model "$model" --log_dir "$runs" "$@")
  # An empty array is an unset one to bash before 4.4.
  evaluation=$(submit "afterok:$truth:$train" ${GPU:-} --job-name="evaluate-$model" slurm/evaluate.sh \
    --load_weights "$runs/$model/models/last" --data_path "$data" --split "$split" ${images[@]+"${images[@]}"})
  evaluations=$evaluations${evaluations:+:}$evaluation
  echo "$model    train job $train, evaluation job $evaluation"
done
tables=$(submit_table "afterok:$evaluations" tables \
  "exec python -m evaluate.tables --runs '$runs' --format markdown --output '$runs/tables.md'")
echo "tables    job $tables writes $runs/tables.md"
