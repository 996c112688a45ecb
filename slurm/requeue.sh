# Sourced by the training scripts after environment.sh: requeue the job until its run is finished.

# At the time limit Slurm sends SIGTERM to this script too. The empty handler keeps it alive until it has requeued the job.
trap : TERM

# Training writes the path of its run folder into this file.
export LITEMONO_RUN_FOLDER_FILE=$PWD/logs/.job-$SLURM_JOB_ID/run_folder

# end_or_requeue STATUS: the last command of the script. STATUS is srun's exit status.
end_or_requeue() {
  local folder
  trap '' TERM    # do not interrupt the requeue
  # A training that was killed before it wrote the file has no run folder: its tries are counted in the file's own folder.
  folder=$(cat "$LITEMONO_RUN_FOLDER_FILE" 2>/dev/null) || folder=$(dirname "$LITEMONO_RUN_FOLDER_FILE")
  exec python -m litemono.jobs.requeue "$1" "$folder"
}
