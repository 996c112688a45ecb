#!/bin/bash
# Pre-train an encoder of Lite-Mono on ImageNet with timm's train script, however many jobs of 24 hours that takes.
#
#     v=$(python -c 'import timm; print(timm.__version__)')        # once, on a login node: compute nodes have no internet
#     curl -fLo timm_train.py "https://raw.githubusercontent.com/huggingface/pytorch-image-models/v$v/train.py"
#     sbatch --job-name=lite-mono-imagenet slurm/pretrain_imagenet.sh timm_train.py /data/imagenet --model lite_mono
#
# /data/imagenet has train/CLASS/*.JPEG and val/CLASS/*.JPEG. timm's wheels lack train.py; take that of your release. Its flags
# go after the folder and win over those below. Models: lite_mono, lite_mono_small, lite_mono_tiny, lite_mono_8m.
# The job's name is the run's name: runs/imagenet/NAME. At the time limit the job requeues itself and resumes at the last
# finished epoch; an epoch that was interrupted is repeated. The result begins a depth training:
#
#     python -m litemono.train --mypretrain runs/imagenet/NAME/model_best.pth.tar --data_path kitti_data
#
# The paper does not state its ImageNet recipe. The flags below are ConvNeXt's (Liu et al. 2022), with a rate for batch 512.
#SBATCH --job-name=imagenet
#SBATCH --partition=gpu
#SBATCH --gpus-per-node=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --mem=64G
#SBATCH --time=24:00:00
#SBATCH --output=logs/%j.out
#SBATCH --open-mode=append
#SBATCH --signal=B:USR2@120
#SBATCH --requeue

source slurm/environment.sh || { echo "$PWD is not the checkout: cd into it, then sbatch slurm/NAME.sh" >&2; exit 2; }

if [ ! -f "${1:-}" ] || [ ! -d "${2:-}/train" ]; then
  echo "error: give timm's train.py and a folder with train/ and val/: sbatch $0 timm_train.py /data/imagenet" >&2
  exit 2
fi
script=$1 images=$2
shift 2

# Each GPU trains one process; without a GPU one trains on the CPU, which timm has to be asked for.
read -r device processes < <(python -c 'import torch; n = torch.cuda.device_count(); print("cuda" if n else "cpu", max(1, n))')
# timm's script knows "auto" since 1.0.31: model_best stays the best of all epochs. Earlier scripts take a file, and their
# model_best is the best since the last requeue.
resume=()
if grep -qE "['\"]auto['\"]" "$script"; then
  resume=(--resume auto)
elif [ -f "runs/imagenet/$SLURM_JOB_NAME/last.pth.tar" ]; then
  resume=(--resume "runs/imagenet/$SLURM_JOB_NAME/last.pth.tar")
fi

# Slurm's warning comes to this script, which runs its handler while it waits for the training.
trap 'echo "time limit: requeued"; scontrol requeue "$SLURM_JOB_ID"' USR2

srun --nodes=1 --ntasks=1 --ntasks-per-node=1 --cpus-per-task="$SLURM_CPUS_PER_TASK" \
  python -m torch.distributed.run --standalone --nproc_per_node="$processes" -m networks.timm_train "$script" "$images" \
  --model lite_mono --input-size 3 224 224 --epochs 300 --warmup-epochs 20 --batch-size 128 --workers 4 --amp --device "$device" \
  --opt adamw --lr 5e-4 --weight-decay 0.05 --sched cosine --drop-path 0.1 \
  --aa rand-m9-mstd0.5-inc1 --mixup 0.8 --cutmix 1.0 --reprob 0.25 --smoothing 0.1 \
  --output runs/imagenet --experiment "$SLURM_JOB_NAME" --checkpoint-hist 2 "${resume[@]}" "$@" &
training=$!
wait "$training"
status=$?
while kill -0 "$training" 2>/dev/null; do    # a signal ended `wait`, not the training
  wait "$training"
  status=$?
done
exit "$status"
