# Sourced by the training scripts after environment.sh: requeue the job until its run is finished.

# At the time limit Slurm sends SIGTERM to this script too. The empty handler keeps it alive until it has requeued the job.
trap : TERM

# Training writes the path of its run folder into the first file, and the second one when it starts.
job_folder=$PWD/logs/.job-$SLURM_JOB_ID
export LITEMONO_RUN_FOLDER_FILE=$job_folder/run_folder LITEMONO_STARTED_FILE=$job_folder/started
find logs -maxdepth 1 -name '.job-*' -mtime +30 -exec rm -rf {} +    # of jobs that were cancelled or lost
mkdir -p "$job_folder"
rm -f "$LITEMONO_STARTED_FILE"

# Each start of the job runs the code of its first start: editing the checkout changes nothing. `code` is the copy. For the
# other wish: sbatch --export=ALL,LITEMONO_FOLLOW_CHECKOUT=1 slurm/NAME.sh
code=$(python -m litemono.jobs.snapshot "$job_folder") || [ $? != 2 ] || exit 2    # 2: refused, and said why
code=${code:-$PWD}    # a node without Python is dealt with at the end
export LITEMONO_FOLDER=$PWD PYTHONPATH=$code${PYTHONPATH:+:$PYTHONPATH}

# The run's name is the job's. The tasks of `sbatch --array=0-4` are runs of their own: NAME/0 with --seed 0, and so on.
run=(--model_name="$SLURM_JOB_NAME")    # with =, or a name that begins with a dash would be another flag
if [ -n "${SLURM_ARRAY_TASK_ID:-}" ]; then
  run=(--model_name="$SLURM_JOB_NAME/$SLURM_ARRAY_TASK_ID" --seed "$SLURM_ARRAY_TASK_ID")
fi

# Processes of a job meet at this port: below Linux's ephemeral ports, another one after each restart.
rendezvous_port() {
  echo $((10000 + (SLURM_JOB_ID + 5003 * ${SLURM_RESTART_COUNT:-0}) % 20000))
}

# end_or_requeue STATUS: the last command of the script. STATUS is srun's exit status.
end_or_requeue() {
  local folder status
  trap '' TERM    # do not interrupt the requeue
  # A training that was killed before it wrote the file has no run folder: its tries are counted in the file's own folder.
  folder=$(cat "$LITEMONO_RUN_FOLDER_FILE" 2>/dev/null) || folder=$job_folder
  cd "$code" && python -m litemono.jobs.requeue "$1" "$folder"
  status=$?       # a requeued job does not get here: Slurm ends this script
  rm -rf "$job_folder"
  exit $status
}
