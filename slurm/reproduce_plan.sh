# Sourced by reproduce.sh: --plan, what it would submit and what that takes.

speed_of() { # MODEL NAME -> images per second, or nothing
  local entry recorded
  for entry in ${IMG_PER_S:-}; do    # one number, or MODEL=NUMBER for each
    case $entry in
      "$1="*) echo "${entry#*=}"; return ;;
      *=*) ;;
      *) echo "$entry"; return ;;
    esac
  done
  recorded=$(grep -hs '"images_per_second"' "$runs/$2"/*/status.json | tr -cd '0-9.\n' | head -n 1) || true
  echo "$recorded"
}

# Lines of MODEL MEGABYTES, of a run: weights of each epoch, three copies (last, best), three checkpoints of weights and moments.
disk_of_models() {
  # shellcheck disable=SC2086
  $python - "$epochs" $models <<'PYTHON'
import sys
import networks
copies = int(sys.argv[1]) + 3 + 3 * 3
pose = networks.create_pose(18)
for model in dict.fromkeys(sys.argv[2:]):
    nets = networks.create(model, height=192, width=640), pose
    print(model, round(sum(4 * p.numel() for net in nets for p in net.parameters()) / 1e6 * copies))
PYTHON
}

training_images() {
  local list=${train_split:-eigen_zhou}
  [ -d "splits/$list" ] && list=splits/$list
  grep -c . "$list/train_files.txt" 2>/dev/null || echo 0
}

print_plan() {
  local model start name seed speed hours megabytes train test jobs=1 total_hours=0 total_megabytes=0 unknown=
  local samples disk
  samples=$(training_images)
  disk=$(disk_of_models)
  [ -f "$data/gt_depths_$(basename "$split").npz" ] || jobs=2
  printf '%-28s %10s %10s %8s %10s %10s\n' runs "to train" "to test" img/s "GPU hours" "disk GB"
  for model in $models; do
    megabytes=$(awk -v model="$model" '$1 == model { print $2 }' <<<"$disk")
    for start in "${starts[@]}"; do
      name=$model-$start train=0 test=0 hours=-
      for ((seed = 0; seed < seeds; seed++)); do
        trained "$runs/$name/$seed" || [ -n "$(queued "$name" "$seed")" ] || train=$((train + 1))
        evaluated "$runs/$name/$seed" || [ -n "$(queued "evaluate-$name" "$seed")" ] || test=$((test + 1))
      done
      speed=$(speed_of "$model" "$name")
      if [ -n "$speed" ]; then
        hours=$(awk "BEGIN { printf \"%.1f\", $train * $epochs * $samples / $speed / 3600 }")
        total_hours=$(awk "BEGIN { printf \"%.1f\", $total_hours + $hours }")
      elif [ "$train" -gt 0 ]; then
        unknown="$unknown $model"
      fi
      total_megabytes=$((total_megabytes + train * megabytes))
      jobs=$((jobs + train + test))
      printf '%-28s %10s %10s %8s %10s %10s\n' "$name x $seeds" "$train" "$test" "${speed:--}" "$hours" \
        "$(awk "BEGIN { printf \"%.1f\", $train * $megabytes / 1000 }")"
    done
  done
  [ -z "$unknown" ] || total_hours="an unknown number of"
  echo "in all: $jobs jobs, $total_hours GPU hours of training, $(awk "BEGIN { printf \"%.1f\", $total_megabytes / 1000 }") GB of disk in $runs"
  echo "$samples training images, $epochs epochs; evaluation of all epochs comes on top, and requeues and the queue"
  [ -n "$unknown" ] || return 0
  echo "GPU hours of$(tr ' ' '\n' <<<"$unknown" | awk 'NF && !seen[$0]++ { printf " %s", $0 }') are not known: no speed was recorded on a GPU yet. Give IMG_PER_S=NUMBER, or" \
    "IMG_PER_S=\"MODEL=NUMBER ...\"; litemono status shows it a minute after a training has begun."
}
