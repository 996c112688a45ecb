"""Slurm jobs, before, while and after they run: nothing here imports tasks or torch's networks.

admission.py            why a job could never start; limits.py, group_limits.py: of users, QOS and accounts
cluster.py              partitions, nodes, accounts; slurm.py: Slurm's commands as functions
memory.py               --mem where it is not given; environment.py: what the shell may say to sbatch
more_flags.py           --sbatch, --srun; sweep.py: --sweep; preflight.py: --preflight; container.py: --container

batch_script.py         the request and its script; snapshot.py: the copy of the code that runs
train_job.py            what submitit runs in every process
requeue.py              what happens when the processes have ended; bad_nodes.py: nodes to avoid

runs.py                 what runs are doing, for status; follow_log.py: --wait
accounting.py           what jobs were given and used; cost.py, cost_table.py: status --cost
"""
