# Sourced by every script in this folder: make Python and its packages available, then say what the job runs on.
# Edit the first part for your cluster, once. Everything else is worth keeping: it is what you will want to read in the
# log of a job that failed.

# --- edit: what you type on a login node before you can train -------------------------------------------------------
# module load 2024r1 cuda/12.6            # DelftBlue; `module avail` lists what your cluster has
# source "$HOME/miniconda3/bin/activate" litemono
if [ -f .venv/bin/activate ]; then
  source .venv/bin/activate
fi

# --- keep -----------------------------------------------------------------------------------------------------------
export PYTHONUNBUFFERED=1                  # log lines appear when they are printed
# A job that was submitted from inside another job has that job's SLURM_*, and srun reads them as its own flags.
unset SLURM_MEM_PER_CPU SLURM_MEM_PER_GPU SLURM_MEM_PER_NODE    # srun gives a step the memory of its job
unset SLURM_GPUS SLURM_GPUS_PER_TASK SLURM_NTASKS_PER_GPU SLURM_CPU_BIND SLURM_EXACT SLURM_TRES_PER_TASK
if [ -n "${SLURM_ARRAY_JOB_ID:-}" ] && ! scontrol show job -o "$SLURM_ARRAY_JOB_ID" | grep -q "JobId=$SLURM_JOB_ID "; then
  unset SLURM_ARRAY_JOB_ID SLURM_ARRAY_TASK_ID SLURM_ARRAY_TASK_COUNT    # of the job that submitted this one
fi
export SLURM_EXPORT_ENV=ALL                # NONE after `sbatch --export=NONE`: srun would start without this environment
# torch would start a thread for every core of the node; the job has only some of them.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-${SLURM_CPUS_PER_TASK:-1}}

# The log by its job's name: logs/NAME-NUMBER.out. A name may hold what no file name can, so it is not in #SBATCH --output.
log_name=${SLURM_JOB_NAME:-}
log_name=${log_name//[\/[:cntrl:]]/-}
[ ! -f "logs/${SLURM_JOB_ID:-}.out" ] || ln -sfn "$SLURM_JOB_ID.out" "logs/${log_name:0:60}-$SLURM_JOB_ID.out"

echo "--- $(date '+%F %T')  job ${SLURM_JOB_ID:-none} (${SLURM_JOB_NAME:-}), start number $((${SLURM_RESTART_COUNT:-0} + 1)), on ${SLURM_JOB_NODELIST:-$(hostname)}"
echo "modules  ${LOADEDMODULES:-none}"
echo "python   $(command -v python)"
python - <<'PYTHON'
import torch
gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
print(f"torch    {torch.__version__}, CUDA {torch.version.cuda}, GPUs {', '.join(gpus) or 'none'}")
PYTHON
echo "driver   $(nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>/dev/null | sort -u || true)"
