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
# A job that was submitted from inside another job (salloc, srun --pty, a batch script) has that job's SLURM_*, and srun reads
# them as its own flags. Here are the variables of `man srun`, from 22.05 on, but for those that sbatch sets anew for each
# job, those a step ignores and those about printing. No step needs them: without flags it gets all GPUs and all memory of
# its job, and the scripts say how many nodes, tasks and CPUs.
unset SLURM_{MEM_PER_CPU,MEM_PER_GPU,MEM_PER_NODE,MEM_BIND,CPU_BIND,CPU_FREQ_REQ,CPUS_PER_GPU,CORE_SPEC,THREAD_SPEC}
unset SLURM_{GPUS,GPUS_PER_NODE,GPUS_PER_SOCKET,GPUS_PER_TASK,GPU_BIND,GPU_FREQ,GRES,GRES_FLAGS,STEP_GRES,TRES_BIND,TRES_PER_TASK}
unset SLURM_{NTASKS_PER_CORE,NTASKS_PER_GPU,NTASKS_PER_SOCKET,NTASKS_PER_TRES,NSOCKETS_PER_NODE,NCORES_PER_SOCKET,THREADS}
unset SLURM_{DISTRIBUTION,HOSTFILE,EXACT,EXCLUSIVE,OVERCOMMIT,SRUN_MULTI,HET_SIZE,SPREAD_JOB,USE_MIN_NODES,REMOTE_CWD,WORKING_DIR}
unset SLURM_{TIMELIMIT,SIGNAL,WAIT,IMMEDIATE,DEPENDENCY,DELAY_BOOT,NO_KILL,KILL_BAD_EXIT,EXIT_ERROR,EXIT_IMMEDIATE,RESV_PORTS}
unset SLURM_{CONSTRAINT,CLUSTER_CONSTRAINT,NETWORK,BURST_BUFFER,POWER,PROFILE,ACCTG_FREQ,MPI_TYPE,BCAST,COMPRESS}
unset SLURM_{STDINMODE,STDOUTMODE,STDERRMODE,PROLOG,EPILOG,TASK_PROLOG,TASK_EPILOG} SRUN_{INPUT,OUTPUT,ERROR,EXPORT_ENV}
# These may be of this job or of that one; Slurm's record of this job tells. If Slurm does not answer they are taken for its own.
if [ -n "${SLURM_RESTART_COUNT:-}${SLURM_ARRAY_JOB_ID:-}${SLURM_THREADS_PER_CORE:-}${SLURM_HINT:-}" ]; then
  record=$(scontrol show job -o "$SLURM_JOB_ID" | grep "^JobId=$SLURM_JOB_ID ")
  [[ ! $record =~ ' 'Restarts=([0-9]+) ]] || export SLURM_RESTART_COUNT=${BASH_REMATCH[1]}
  [[ -z $record || $record == *" ArrayJobId=${SLURM_ARRAY_JOB_ID:-} "* ]] || unset SLURM_ARRAY_{JOB_ID,TASK_ID,TASK_COUNT}
  [[ ! $record =~ ' 'ReqB:S:C:T=[^\ ]*:'* ' ]] || unset SLURM_THREADS_PER_CORE SLURM_HINT    # sbatch was asked for neither
fi
# Of a torchrun, whose processes have nothing to do with this job's.
[ -z "${RANK:-}${WORLD_SIZE:-}" ] || unset RANK WORLD_SIZE LOCAL_RANK MASTER_ADDR MASTER_PORT "${!TORCHELASTIC_@}"
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
