# Sourced by paper_tables.sh and reproduce.sh: what both of them submit.

all_models="lite-mono lite-mono-small lite-mono-tiny lite-mono-8m"

# submit AFTER SBATCH_FLAGS... SCRIPT ARGUMENTS...: prints the id of the new job. AFTER is a dependency, such as afterok:7, or
# empty; the job is cancelled when it cannot be met.
submit() {
  local after=$1
  shift
  sbatch --parsable ${after:+--dependency="$after" --kill-on-invalid-dep=yes} "$@" | cut -d ';' -f 1
}

# GPU and CPU hold several words each.
# shellcheck disable=SC2086
submit_truth() { # JOB_NAME DATA SPLIT
  submit "" ${CPU:-} --job-name="$1" slurm/export_gt.sh --data_path "$2" --split "$3"
}

# shellcheck disable=SC2086
submit_table() { # AFTER JOB_NAME LINES: a short job that runs these lines of bash
  submit "$1" ${CPU:-} --job-name="$2" --output=logs/%j.out --open-mode=append --time=00:10:00 <<JOB
#!/bin/bash
source slurm/environment.sh || exit 2
$3
JOB
}
