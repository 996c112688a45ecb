# Sourced by paper_tables.sh and reproduce.sh.

# submit AFTER SBATCH_FLAGS... SCRIPT ARGUMENTS...: prints the id of the new job. AFTER is a dependency, such as afterok:7, or
# empty; the job is cancelled when it cannot be met.
submit() {
  local after=$1
  shift
  sbatch --parsable ${after:+--dependency="$after" --kill-on-invalid-dep=yes} "$@" | cut -d ';' -f 1
}
