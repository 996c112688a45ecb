#!/bin/bash
# A reproduction with error bars, as one graph of jobs: three seeds of each model, with and without ImageNet weights of the
# depth encoder; each saved epoch evaluated; one table at the end. Start it on the login node; it submits and returns.
# The same command submits only what is missing: what is neither done nor in the queue.
#
#     bash slurm/reproduce.sh --plan --data_path kitti_640x192          prints jobs, GPU hours and disk, and submits nothing
#     PRETRAIN=imagenet GPU="--partition=gpu-v100" bash slurm/reproduce.sh --data_path kitti_640x192 --num_epochs 30
#
# The flags are those of training and go to every one of them; --data_path must be given as two words.
#     MODELS     the models to train                        PRETRAIN   folder with MODEL-pretrain.pth for the runs with ImageNet
#     SEEDS      how many seeds, 0 and up (default 3)       GPU, CPU   sbatch flags of trainings and evaluations, of others
#     LOG_DIR    folder of the runs (default runs/reproduce)
#     TEST_SPLIT the split that is evaluated (default eigen)
#     IMG_PER_S  images per second of a training, as litemono status shows it, for --plan where no run has recorded it
# slurm/README.md says more.
set -euo pipefail
cd "$(dirname "$0")/.."
source slurm/submit.sh
source slurm/reproduce_plan.sh

models=${MODELS:-$all_models}
seeds=${SEEDS:-3}
runs=${LOG_DIR:-runs/reproduce}
split=${TEST_SPLIT:-eigen}
for entry in ${IMG_PER_S:-}; do
  [[ ${entry#*=} =~ ^[0-9]*\.?[0-9]+$ && ${entry#*=} =~ [1-9] ]] ||
    { echo "IMG_PER_S: $entry: give images per second as a number above 0, or MODEL=NUMBER" >&2; exit 2; }
done
case $seeds in '' | *[!0-9]* | 0) echo "SEEDS=$seeds: give a number of seeds, such as 3" >&2; exit 2 ;; esac

plan= data= epochs=30 train_split=
flags=() images=()
while [ $# -gt 0 ]; do
  case $1 in
    --plan) plan=yes; shift; continue ;;
    --data_path) data=${2:-} ;;
    --num_epochs) epochs=${2:-} ;;
    --split) train_split=${2:-} ;;
    --png) images=(--png) ;;
    --model | --seed | --log_dir | --model_name | --mypretrain)
      echo "$1 is set by this script: see MODELS, SEEDS, LOG_DIR and PRETRAIN in its head" >&2; exit 2 ;;
  esac
  flags+=("$1")
  shift
done
[ -n "$data" ] || { echo "usage: bash slurm/reproduce.sh [--plan] --data_path FOLDER [training flags]" >&2; exit 2; }

python=python
[ ! -x .venv/bin/python ] || python=.venv/bin/python
# shellcheck disable=SC2086
$python - $models <<'PYTHON' || exit 2
import sys
import networks
unknown = [model for model in sys.argv[1:] if model not in networks.names("disparity")]
if unknown or len(sys.argv) == 1:
    print(f"MODELS: {' '.join(unknown) or 'empty'}: choose from {', '.join(networks.names('disparity'))}", file=sys.stderr)
    sys.exit(2)
PYTHON

case $epochs in '' | *[!0-9]* | 0) echo "--num_epochs $epochs: give a number of epochs" >&2; exit 2 ;; esac

starts=(scratch)
if [ -n "${PRETRAIN:-}" ]; then
  starts+=(imagenet)
  for model in $models; do
    [ -f "$PRETRAIN/$model-pretrain.pth" ] || { echo "PRETRAIN=$PRETRAIN: there is no $model-pretrain.pth in it" >&2; exit 2; }
  done
fi

# ---------------------------------------------------------------- what is there

trained() { # RUN_FOLDER
  [ -d "$1/models/weights_$((epochs - 1))" ] && grep -qs '"state": "finished"' "$1/status.json"
}

evaluated() { # RUN_FOLDER
  local epoch
  for ((epoch = 0; epoch < epochs; epoch++)); do
    [ -f "$1/models/weights_$epoch/eval_$(basename "$split").json" ] || return 1
  done
}

# Each line: a job's name, its number in its array, the number of the array.
if ! queue=$(squeue --me -h -r -o '%j %K %F'); then
  echo "Slurm's queue cannot be read on this machine: $([ -n "$plan" ] && echo "the plan leaves it out" || echo "log in to the cluster, or use --plan")" >&2
  [ -n "$plan" ] || exit 2
fi

job_named() { # JOB_NAME -> its number, or nothing
  awk -v name="$1" '$1 == name { print $3; exit }' <<<"$queue"
}

queued() { # JOB_NAME SEED -> ARRAY_SEED, or nothing
  awk -v name="$1" -v seed="$2" '$1 == name && $2 == seed { print $3 "_" $2 }' <<<"$queue"
}

joined() { # SEPARATOR WORDS...
  local separator=$1
  shift
  local IFS=$separator
  echo "$*"
}

# ---------------------------------------------------------------- jobs

# GPU and CPU hold several words each.
# shellcheck disable=SC2086
evaluate() { # NAME SEEDS AFTER
  local data_flags=(--data_path "$data" --split "$split" ${images[@]+"${images[@]}"})
  submit "$3" ${GPU:-} --array="$2" --job-name="evaluate-$1" --time=04:00:00 slurm/evaluate.sh \
    --load_weights "$runs/$1/%a" --all_epochs "${data_flags[@]}"
}

# One name stands for the runs of a model and a start: its array trains them, and a second one evaluates each when it is done.
# shellcheck disable=SC2086
submit_name() { # MODEL START NAME
  local model=$1 start=$2 name=$3 seed job
  local train=() ready=() weights=()
  for ((seed = 0; seed < seeds; seed++)); do
    local run=$runs/$name/$seed in_training in_evaluation
    in_training=$(queued "$name" "$seed")
    in_evaluation=$(queued "evaluate-$name" "$seed")
    if [ -n "$in_evaluation" ]; then
      last+=("$in_evaluation")
      echo "$name seed $seed    in the queue"
    elif [ -n "$in_training" ]; then
      last+=("$(evaluate "$name" "$seed" "afterok:$in_training${truth:+:$truth}")")
      submitted=yes
      echo "$name seed $seed    in the queue; evaluation job ${last[-1]}"
    elif ! trained "$run"; then
      train+=("$seed")
    elif ! evaluated "$run"; then
      ready+=("$seed")
    else
      echo "$name seed $seed    done"
    fi
  done
  [ "$start" = scratch ] || weights=(--mypretrain "$PRETRAIN/$model-pretrain.pth")
  [ ${#train[@]} -eq 0 ] && [ ${#ready[@]} -eq 0 ] || submitted=yes
  if [ ${#train[@]} -gt 0 ]; then
    job=$(submit "" ${GPU:-} --array="$(joined , "${train[@]}")" --job-name="$name" slurm/train_v100.sh \
      --model "$model" --log_dir "$runs" ${weights[@]+"${weights[@]}"} "${flags[@]}")
    last+=("$(evaluate "$name" "$(joined , "${train[@]}")" "aftercorr:$job${truth:+,afterok:$truth}")")
    echo "$name seeds ${train[*]}    train job $job, evaluation job ${last[-1]}"
  fi
  if [ ${#ready[@]} -gt 0 ]; then
    last+=("$(evaluate "$name" "$(joined , "${ready[@]}")" "${truth:+afterok:$truth}")")
    echo "$name seeds ${ready[*]}    evaluation job ${last[-1]}"
  fi
}

if [ -n "$plan" ]; then
  print_plan
  exit
fi

mkdir -p logs
submitted=
truth=$(job_named reproduce-truth)
if [ -z "$truth" ] && [ ! -f "$data/gt_depths_$(basename "$split").npz" ]; then
  truth=$(submit_truth reproduce-truth "$data" "$split")
  echo "ground truth    job $truth"
fi
last=()
for model in $models; do
  for start in "${starts[@]}"; do
    submit_name "$model" "$start" "$model-$start"
  done
done
table=$(job_named reproduce-table)
if [ -n "$table" ] && [ -z "$submitted" ]; then
  echo "table    in the queue, job $table"
  exit
fi
after=
[ ${#last[@]} -eq 0 ] || after=afterok:$(joined : "${last[@]}")
compare="python -m litemono.compare --log_dir '$runs' --test '$(basename "$split")'"
table=$(submit_table "$after" reproduce-table "$compare --format markdown --output '$runs/reproduction.md' || exit
exec $compare --format html --output '$runs/reproduction.html'")
echo "table    job $table writes $runs/reproduction.md and .html"
