"""Advice of `submit` on a cluster that refuses: Slurm's commands are scripts that print what one would say."""

from __future__ import annotations

from pathlib import Path

from advice.flag_cases import TRAINING
from advice.follow import Case

from litemono.jobs.limits import ACCOUNT_COLUMNS, QOS_COLUMNS

REQUEST = (
    "--weights_init scratch --dry_run --partition gpu-v100 --account research --gpus_per_node 2 --cpus_per_task 4 --mem 16000M "
    "--qos normal --time 2:00:00"
)
RIGHT = {
    "submit cluster": f"train {TRAINING} {REQUEST}",
    "submit data cluster": f"train {TRAINING} --data_path w/kitti --split w/kitti --batch_size 2 {REQUEST}",
}
NODES = """\
cpu001|compute|48|185000|(null)|(null)|idle
gpu001|gpu-v100|48|368000|gpu:v100:4|v100,avx512|idle
gpu002|gpu-v100|48|100000|gpu:v100:4|v100|idle
gpu003|gpu-a100|64|1000000|gpu:v100:4|large|idle
dbg001|debug|16|64000|gpu:2|(null)|idle
"""
PARTITIONS = """\
PartitionName=compute AllowAccounts=ALL AllowQos=ALL Default=NO MaxNodes=UNLIMITED MaxTime=5-00:00:00 State=UP
PartitionName=gpu-v100 AllowAccounts=research,education,tight,idle,pooled,stopped,spent \
AllowQos=ALL Default=NO MaxNodes=2 MaxTime=1-00:00:00 State=UP
PartitionName=gpu-a100 AllowAccounts=ALL AllowQos=normal Default=NO MaxNodes=1 MaxTime=UNLIMITED State=UP
PartitionName=debug AllowAccounts=ALL AllowQos=ALL Default=NO MaxNodes=1 MaxTime=00:30:00 State=DOWN
"""
CONFIG = "AccountingStorageEnforce = associations,limits,qos,safe\nPriorityDecayHalfLife = 00:00:00\nMaxArraySize = 4\n"
QOS = {
    "normal": {},
    "short": {"maxwall": "00:30:00"},
    "narrow": {"maxtres": "gres/gpu=1"},
    "closed": {"maxjobspu": "0"},
    "few": {"maxsubmitpu": "1"},
    "shared": {},
    "coming": {},
    "stopped": {},
    "crowded": {},
    "budget": {},
    "spent": {},
    "part": {},
}
ACCOUNTS = {
    **dict.fromkeys(("education", "innovation", "research", "pooled", "stopped", "spent"), {}),
    "tight": {"maxtres": "gres/gpu=1"},
    "idle": {"maxjobs": "0"},
}
SHARED = """\
QOS=shared(6) GrpTRES=gres/gpu=1(0)
QOS=coming(7) GrpTRESRunMins=gres/gpu=100(0)
QOS=stopped(8) GrpJobs=0(0)
QOS=crowded(9) GrpSubmitJobs=1(0)
QOS=budget(10) GrpTRESMins=gres/gpu=100(0)
QOS=spent(11) GrpTRESMins=gres/gpu=1000(1000)
QOS=part(12) GrpTRESMins=gres/gpu=1000(900)
"""
POOLED = """\
Account=pooled UserName= Partition= GrpTRES=gres/gpu=1(0)
Account=stopped UserName= Partition= GrpJobs=0(0)
Account=spent UserName= Partition= GrpTRESMins=gres/gpu=1000(1000)
"""


def row(columns: str, **values: str) -> str:
    return "|".join(values.get(name, "") for name in columns.split(","))


def write_commands(folder: Path) -> Path:
    """sinfo, scontrol and so on of a cluster with accounts and QOS of the user for each kind of limit."""
    accounts = [row(ACCOUNT_COLUMNS, account=name, qos=",".join(QOS), **values) for name, values in ACCOUNTS.items()]
    texts = {
        "nodes": NODES,
        "partitions": PARTITIONS,
        "config": CONFIG,
        "shared": SHARED,
        "pooled": POOLED,
        "qos": "\n".join(row(QOS_COLUMNS, name=name, **values) for name, values in QOS.items()),
        "associations": "\n".join(accounts),
    }
    folder.mkdir(parents=True)
    for name, text in texts.items():
        (folder / name).write_text(text)
    scripts = {
        "sinfo": f"cat {folder}/nodes",
        "scontrol": f"""case "$*" in
            *partition*) cat {folder}/partitions;;
            *config*) cat {folder}/config;;
            *flags=qos*) cat {folder}/shared;;
            *flags=assoc*) cat {folder}/pooled;;
            *hostnames*) echo gpu001;;
            esac""",
        "sacctmgr": f"""case "$*" in
            *"show qos"*) cat {folder}/qos;;
            *{ACCOUNT_COLUMNS}*) cat {folder}/associations;;
            *format=account) echo {" ".join(ACCOUNTS)} | tr ' ' '\\n';;
            esac""",
        "squeue": """case "$*" in *%i*) echo "77|77|RUNNING|gpu001|None|1:00|2:00";; esac""",
        "sbatch": "! grep -q comment=no || { echo 'sbatch: error: no such comment' >&2; exit 1; }",
    }
    for name, text in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    return folder


CASES = [
    Case("submit cluster", "--partition gpu", r"those with GPUs: (?P<value>[\w-]+)"),
    Case("submit cluster", "~--partition", r"give --partition; those with GPUs: (?P<partition>[\w-]+)"),
    Case("submit cluster", "--partition compute", r"those with GPUs: (?P<value>[\w-]+)"),
    Case("submit cluster", "--partition compute", r"or (?P<set>--gpus_per_node 0 --device cpu)"),
    Case("submit cluster", "--partition debug", r"those with GPUs: (?P<value>[\w-]+)"),
    Case("submit cluster", "--time 3-00:00:00", r"use (?P<set>--time [\d:-]*\d)"),
    Case("submit cluster", "--nodes 3", r"allows a job (?P<value>\d+) at most"),
    Case("submit cluster", "--account physics", r"yours: (?P<value>\w+)"),
    Case("submit cluster", "~--account", r"give --account; yours: (?P<account>\w+)"),
    Case("submit cluster", "--account innovation", r"of these accounts only: (?P<value>\w+)"),
    Case("submit cluster", "--qos urgent", r"yours: (?P<value>\w+)"),
    Case("submit cluster", "--qos short --partition gpu-a100", r"takes (?P<value>\w+)"),
    Case("submit cluster", "--constraint h100", r"there are: [\w, ]*(?P<value>v100)"),
    Case("submit cluster", "--gpus_per_node 9", r"has \((?P<value>\d+)\)"),
    Case("submit cluster", "--mem 500000M", r"partitions that have: (?P<partition>[\w-]+)"),
    Case("submit cluster", "--nodes 2 --mem 200000M", r"and (?P<drop>--nodes) 2 needs more; ask for less per node"),
    Case("submit cluster", "--sbatch exclude=gpu001 --nodes 2", r"(?P<drop>--sbatch) exclude=.* exclude fewer"),
    Case("submit cluster", "--sbatch exclude=gpu001 --nodes 2", r"and (?P<drop>--nodes) 2 needs more"),
    Case("submit cluster", "--qos short", r"use (?P<set>--time [\d:-]*\d)"),
    Case("submit cluster", "--qos narrow", r"ask for less, or for another (?P<another>--qos) or --account", "normal"),
    Case("submit cluster", "--qos closed", r"choose another (?P<another>--qos) or --account", "normal"),
    Case("submit cluster", "--qos few --sweep lr=1e-4,1e-5", r"make a smaller (?P<drop>--sweep)"),
    Case("submit cluster", "--qos shared", r"ask for less, or for another (?P<another>--qos) or --account", "normal"),
    Case("submit cluster", "--qos coming", r"use a shorter (?P<another>--time)", "0:10:00"),
    Case("submit cluster", "--qos stopped", r"choose another (?P<another>--qos) or --account", "normal"),
    Case("submit cluster", "--qos crowded --sweep lr=1e-4,1e-5", r"make a smaller (?P<drop>--sweep)"),
    Case("submit cluster", "--qos budget", r"use a shorter (?P<another>--time)", "0:10:00"),
    Case("submit cluster", "--qos spent", r"another (?P<another>--qos) or --account, or ask", "normal"),
    Case("submit data cluster", "--sbatch comment=no", r"sbatch refuses this job .*; look at (?P<drop>--sbatch)"),
    Case("submit cluster", "--qos part", r"use a shorter (?P<another>--time)", "0:10:00"),
    Case(
        "submit cluster", "--account tight", r"ask for less, or for another --qos or (?P<another>--account)", "research"
    ),
    Case("submit cluster", "--account idle", r"choose another --qos or (?P<another>--account)", "research"),
    Case("submit cluster", "--account pooled", r"or for another --qos or (?P<another>--account)", "research"),
    Case("submit cluster", "--account stopped", r"choose another --qos or (?P<another>--account)", "research"),
    Case("submit cluster", "--account spent", r"use another --qos or (?P<another>--account), or ask", "research"),
    Case("submit cluster", "--model_name queued", r"or use another (?P<another>--model_name)"),
]
