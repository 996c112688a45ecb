"""What can be seen of slurm/*.sh without a cluster."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path

import processes
import pytest
from conftest import ROOT

from litemono.jobs.train_job import rendezvous_port

SCRIPTS = sorted((ROOT / "slurm").glob("*.sh"))
NO_JOBS = ("environment.sh", "requeue.sh", "submit.sh", "paper_tables.sh", "reproduce.sh", "reproduce_plan.sh")
JOBS = [path for path in SCRIPTS if path.name not in NO_JOBS]
TRAININGS = [path for path in JOBS if path.name.startswith(("train", "finetune"))]
CONTINUED_BY = {"finetune.sh": "train_any.sh"}  # with exec


def directives(path: Path) -> dict[str, str]:
    lines = [line.removeprefix("#SBATCH --") for line in path.read_text().splitlines() if line.startswith("#SBATCH")]
    return {key: value for key, _, value in (line.partition("=") for line in lines)}


def commands(path: Path) -> str:
    """What a job of this script runs."""
    return path.with_name(CONTINUED_BY.get(path.name, path.name)).read_text()


def names(paths):
    return [path.name for path in paths]


def test_the_scripts_of_the_readme_are_there():
    text = (ROOT / "slurm/README.md").read_text()
    assert [path.name for path in SCRIPTS if path.name not in text] == []


@pytest.mark.parametrize("path", SCRIPTS, ids=names(SCRIPTS))
def test_bash_can_read_it(path):
    done = processes.run(["bash", "-n", path])
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", JOBS, ids=names(JOBS))
def test_logs_are_appended_where_the_checkout_has_a_folder_and_requests_are_complete(path):
    found = directives(path)
    assert found["output"] == "logs/%j.out" and found["open-mode"] == "append" and "error" not in found
    assert (ROOT / "logs/.gitkeep").exists(), "Slurm drops a job silently whose log folder is missing"
    assert {"job-name", "partition", "cpus-per-task", "mem", "time", "requeue"} <= found.keys()
    text = commands(path)
    assert "source slurm/environment.sh" in text
    assert '--cpus-per-task="$SLURM_CPUS_PER_TASK"' in text, "srun does not inherit it"


@pytest.mark.parametrize("path", TRAININGS, ids=names(TRAININGS))
def test_trainings_are_warned_and_hand_their_exit_status_on(path):
    assert directives(path)["signal"] == "USR2@120"
    text = commands(path)
    assert text.endswith("\nend_or_requeue $?\n")
    assert 'srun --chdir="$code" ' in text, "it runs the copy of the code that the job's first start made"


def test_trainings_on_one_gpu_ask_for_the_same_machine():
    asked = [directives(ROOT / "slurm" / name) for name in ("train_v100.sh", "finetune.sh", "train_any.sh")]
    assert [found.pop("job-name") for found in asked] == ["lite-mono", "finetune", "training"]
    assert asked[0] == asked[1] == asked[2]


def test_paper_tables_needs_data():
    done = processes.run(["bash", ROOT / "slurm/paper_tables.sh"])
    assert done.returncode == 2 and "--data_path FOLDER" in done.stderr


@pytest.mark.parametrize("path", JOBS, ids=names(JOBS))
def test_a_job_submitted_from_elsewhere_ends_at_once_and_says_why(path, tmp_path):
    done = processes.run(["bash", path], cwd=tmp_path)
    assert done.returncode == 2 and f"{tmp_path} is not the checkout" in done.stderr and "srun" not in done.stderr


def test_evaluations_of_paper_tables_are_submitted_with_and_without_png(tmp_path):
    """`set -u` must accept the empty array, which old versions of bash take for an unset one."""
    (tmp_path / "sbatch").write_text('#!/bin/bash\necho "$@" >> "$0.log"\necho 7\n')
    (tmp_path / "sbatch").chmod(0o755)
    for flags in ([], ["--png"]):
        (tmp_path / "sbatch.log").unlink(missing_ok=True)
        command = ["bash", ROOT / "slurm/paper_tables.sh", "--data_path", "kitti", *flags]
        env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "MODELS": "lite-mono"}
        assert processes.run(command, env=env).returncode == 0
        evaluation = next(line for line in (tmp_path / "sbatch.log").read_text().splitlines() if "evaluate.sh" in line)
        assert evaluation.endswith("--split eigen --png" if flags else "--split eigen")


# Job 12 is task 3 of array 11; sbatch was asked for no threads per core.
SCONTROL = """#!/bin/bash
[ "$2" = hostnames ] && echo node1 && exit
[ "$4" != 12 ] || array="ArrayJobId=11 ArrayTaskId=3 "
echo "JobId=$4 ${array}JobName=mine ReqB:S:C:T=0:0:*:* Features=(null)"
"""


@pytest.fixture
def in_job(tmp_path):
    """Run a template as Slurm would on a node, with commands that write down their arguments; what srun was asked for."""
    (tmp_path / "slurm").symlink_to(ROOT / "slurm")
    (tmp_path / "logs").mkdir()
    (tmp_path / "bin").mkdir()
    record = '#!/bin/bash\nprintf "%s\\n" "$@" > "$0.args"\nenv > "$0.env"\n'
    for name, text in {"srun": record, "python": "#!/bin/bash\nexit 0\n", "scontrol": SCONTROL}.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)

    def run(script: str, *flags: str, **variables: str) -> tuple[list[str], dict[str, str]]:
        job = {
            "SLURM_JOB_ID": "12",
            "SLURM_JOB_NAME": "mine",
            "SLURM_CPUS_PER_TASK": "2",
            "SLURM_JOB_NODELIST": "node1",
        }
        (tmp_path / "logs/12.out").touch()
        environment = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", **job, **variables}
        done = processes.run(["bash", f"slurm/{script}.sh", *flags], cwd=tmp_path, env=environment)
        assert done.returncode == 0, done.stderr
        seen = (tmp_path / "bin/srun.env").read_text().splitlines()
        return (tmp_path / "bin/srun.args").read_text().splitlines(), dict(line.partition("=")[::2] for line in seen)

    return run


def test_any_training_is_named_by_the_first_word(in_job):
    arguments, _ = in_job("train_any", "finetune", "--height", "64", SLURM_JOB_NAME="metric")
    assert arguments[-6:] == ["python", "-m", "litemono.finetune", "--model_name=metric", "--height", "64"]


@pytest.mark.parametrize("word", [[], ["fintune"]])
def test_a_word_that_is_no_training_ends_the_job_for_good(word, tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "slurm").symlink_to(ROOT / "slurm")
    environment = {**os.environ, "SLURM_JOB_ID": "12", "SLURM_JOB_NAME": "mine", "PYTHONPATH": str(ROOT)}
    environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = processes.run(["bash", "slurm/train_any.sh", *word], cwd=tmp_path, env=environment)
    assert done.returncode == 2 and "the first word is one of train, finetune" in done.stderr


def test_tasks_of_an_evaluation_array_have_weights_of_their_own(in_job):
    array = {"SLURM_ARRAY_JOB_ID": "11", "SLURM_ARRAY_TASK_ID": "3"}
    arguments, _ = in_job("evaluate", "--load_weights", "runs/seeds/%a", "--all_epochs", **array)
    assert arguments[-3:] == ["--load_weights", "runs/seeds/3", "--all_epochs"]
    arguments, _ = in_job("evaluate", "--load_weights", "runs/seeds/%a")
    assert arguments[-1] == "runs/seeds/%a", "a folder of that name where there is no array"


# ---------------------------------------------------------------- reproduce.sh


@pytest.fixture
def reproduce(tmp_path):
    """slurm/reproduce.sh with an sbatch that writes its arguments down, and a queue; returns what ended and the jobs."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/sbatch").write_text(
        '#!/bin/bash\nn=$(cat "$0.n" 2>/dev/null || echo 100)\necho $((n + 1)) > "$0.n"\necho "$n $*" >> "$0.log"\necho "$n"\n'
    )
    (tmp_path / "bin/squeue").write_text(f'#!/bin/bash\ncat "{tmp_path}/queue"\n')
    for name in ("sbatch", "squeue"):
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "queue").touch()

    def run(*flags: str, code: int = 0, **variables: str) -> tuple[str, list[str]]:
        (tmp_path / "bin/sbatch.log").unlink(missing_ok=True)
        (tmp_path / "bin/sbatch.n").unlink(missing_ok=True)
        environment = {**os.environ, "MODELS": "lite-mono", "LOG_DIR": str(tmp_path / "runs"), "SEEDS": "3"} | variables
        environment["PATH"] = f"{tmp_path}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}"
        command = ["bash", ROOT / "slurm/reproduce.sh", *flags]
        done = processes.run(command, env=environment)
        assert done.returncode == code, done.stdout + done.stderr
        log = tmp_path / "bin/sbatch.log"
        return done.stdout + done.stderr, log.read_text().splitlines() if log.exists() else []

    return run


def write_trained(run: Path, epochs: int, evaluated: int, state: str = "finished") -> None:
    for epoch in range(epochs):
        (run / f"models/weights_{epoch}").mkdir(parents=True)
    for epoch in range(evaluated):
        (run / f"models/weights_{epoch}/eval_eigen.json").touch()
    (run / "status.json").write_text(json.dumps({"state": state, "images_per_second": 50.0}, indent=1))


def test_a_reproduction_is_one_graph_of_arrays(reproduce, tmp_path):
    (tmp_path / "pre").mkdir()
    (tmp_path / "pre/lite-mono-pretrain.pth").touch()
    flags = ("--data_path", "kitti", "--num_epochs", "2", "--lr", "1e-4")
    _, jobs = reproduce(*flags, PRETRAIN=str(tmp_path / "pre"), GPU="--partition=gpu --account=me", CPU="--qos=low")
    runs = tmp_path / "runs"
    assert jobs == [
        "100 --parsable --qos=low --job-name=reproduce-truth slurm/export_gt.sh --data_path kitti --split eigen",
        "101 --parsable --partition=gpu --account=me --array=0,1,2 --job-name=lite-mono-scratch slurm/train_v100.sh "
        f"--model lite-mono --log_dir {runs} {' '.join(flags)}",
        "102 --parsable --dependency=aftercorr:101,afterok:100 --kill-on-invalid-dep=yes --partition=gpu --account=me "
        "--array=0,1,2 --job-name=evaluate-lite-mono-scratch --time=04:00:00 slurm/evaluate.sh "
        f"--load_weights {runs}/lite-mono-scratch/%a --all_epochs --data_path kitti --split eigen",
        "103 --parsable --partition=gpu --account=me --array=0,1,2 --job-name=lite-mono-imagenet slurm/train_v100.sh "
        f"--model lite-mono --log_dir {runs} --mypretrain {tmp_path}/pre/lite-mono-pretrain.pth {' '.join(flags)}",
        "104 --parsable --dependency=aftercorr:103,afterok:100 --kill-on-invalid-dep=yes --partition=gpu --account=me "
        "--array=0,1,2 --job-name=evaluate-lite-mono-imagenet --time=04:00:00 slurm/evaluate.sh "
        f"--load_weights {runs}/lite-mono-imagenet/%a --all_epochs --data_path kitti --split eigen",
        "105 --parsable --dependency=afterok:102:104 --kill-on-invalid-dep=yes --qos=low --job-name=reproduce-table "
        "--output=logs/%j.out --open-mode=append --time=00:10:00",
    ]  # fmt: skip


def test_the_same_command_submits_only_what_is_missing(reproduce, tmp_path):
    """Seed 0 is done, 1 lacks an evaluation, 2 stopped before its last epoch, 3 and 4 are in the queue, 4 with its evaluation."""
    data = tmp_path / "kitti"
    data.mkdir()
    (data / "gt_depths_eigen.npz").touch()
    runs = tmp_path / "runs/lite-mono-scratch"
    for seed, epochs, evaluated, state in ((0, 2, 2, "finished"), (1, 2, 1, "finished"), (2, 1, 0, "failed")):
        write_trained(runs / str(seed), epochs, evaluated, state)
    (tmp_path / "queue").write_text(
        "lite-mono-scratch 3 77\nlite-mono-scratch 4 77\nevaluate-lite-mono-scratch 4 78\nother 2 9\nreproduce-table N/A 79\n"
    )
    flags = ("--data_path", str(data), "--num_epochs", "2", "--png")
    text, jobs = reproduce(*flags, SEEDS="5")
    assert "seed 0    done" in text and "seed 4    in the queue" in text
    short = [re.sub(r" --model .*| --all_epochs .*", "", job) for job in jobs]
    assert short == [
        f"100 --parsable --dependency=afterok:77_3 --kill-on-invalid-dep=yes --array=3 --job-name=evaluate-lite-mono-scratch "
        f"--time=04:00:00 slurm/evaluate.sh --load_weights {runs}/%a",
        "101 --parsable --array=2 --job-name=lite-mono-scratch slurm/train_v100.sh",
        f"102 --parsable --dependency=aftercorr:101 --kill-on-invalid-dep=yes --array=2 --job-name=evaluate-lite-mono-scratch "
        f"--time=04:00:00 slurm/evaluate.sh --load_weights {runs}/%a",
        f"103 --parsable --array=1 --job-name=evaluate-lite-mono-scratch --time=04:00:00 slurm/evaluate.sh "
        f"--load_weights {runs}/%a",
        "104 --parsable --dependency=afterok:100:78_4:102:103 --kill-on-invalid-dep=yes --job-name=reproduce-table "
        "--output=logs/%j.out --open-mode=append --time=00:10:00",
    ]  # fmt: skip
    assert all(job.endswith("--split eigen --png") for job in jobs if "evaluate.sh" in job)
    for seed in range(5):
        shutil.rmtree(runs / str(seed), ignore_errors=True)
        write_trained(runs / str(seed), 2, 2)
    (tmp_path / "queue").write_text("")
    assert ["reproduce-table" in job for job in reproduce(*flags, SEEDS="5")[1]] == [True]


def test_a_plan_counts_jobs_hours_and_disk_and_submits_nothing(reproduce, tmp_path):
    flags = ("--plan", "--data_path", "kitti", "--num_epochs", "2")
    text, jobs = reproduce(*flags)
    assert not jobs and "in all: 8 jobs, an unknown number of GPU hours" in text
    assert "GPU hours of lite-mono are not known: no speed was recorded" in text
    write_trained(tmp_path / "runs/lite-mono-scratch/1", 2, 0)
    text, _ = reproduce(*flags, MODELS="lite-mono lite-mono-tiny", IMG_PER_S="lite-mono-tiny=9")
    assert re.search(rf"lite-mono-scratch x 3 +2 +3 +50.0 +{2 * 2 * 39810 / 50 / 3600:.1f} ", text), text
    assert re.search(rf"lite-mono-tiny-scratch x 3 +3 +3 +9 +{3 * 2 * 39810 / 9 / 3600:.1f} ", text), text
    assert "not known" not in text and "13 jobs" in text


@pytest.mark.parametrize(
    ("flags", "variables", "words"),
    [
        ([], {}, "--data_path FOLDER"),
        (["--data_path", "k", "--seed", "3"], {}, "--seed is set by this script"),
        (["--data_path", "k"], {"SEEDS": "many"}, "SEEDS=many"),
        (["--data_path", "k"], {"IMG_PER_S": "lite-mono=9 abc"}, "IMG_PER_S: abc: give images per second"),
        (["--data_path", "k"], {"IMG_PER_S": "0.0"}, "IMG_PER_S: 0.0: give images per second"),
        (["--data_path", "k"], {"MODELS": "lite-mono dpt-large"}, "MODELS: dpt-large: choose from lite-mono, "),
        (["--data_path", "k", "--num_epochs", "x"], {}, "--num_epochs x: give a number"),
        (["--data_path", "k"], {"PRETRAIN": "/nowhere"}, "there is no lite-mono-pretrain.pth"),
    ],
)
def test_a_reproduction_that_cannot_be_is_refused(reproduce, flags, variables, words):
    text, jobs = reproduce(*flags, code=2, **variables)
    assert words in text and not jobs


@pytest.mark.parametrize("script", ["train_v100", "train_v100_multi", "finetune"])
def test_the_run_has_the_jobs_name_and_tasks_of_an_array_have_folders_and_seeds_of_their_own(in_job, script):
    arguments, _ = in_job(script, "--height", "64", SLURM_JOB_NAME="exp/first one")
    assert arguments[-3:] == ["--model_name=exp/first one", "--height", "64"]
    arguments, _ = in_job(script, SLURM_JOB_NAME="--lr")
    assert arguments[-1] == "--model_name=--lr", "a name that begins with a dash is no flag"
    array = {"SLURM_ARRAY_JOB_ID": "11", "SLURM_ARRAY_TASK_ID": "3", "SLURM_JOB_NAME": "exp"}
    arguments, _ = in_job(script, **array)
    assert arguments[-3:] == ["--model_name=exp/3", "--seed", "3"]
    arguments, _ = in_job(script, **array, SLURM_JOB_ID="99")
    assert arguments[-1] == "--model_name=exp", "the array is that of the job that submitted this one"


def test_the_log_has_a_link_by_the_jobs_name(in_job, tmp_path):
    in_job("train_v100", SLURM_JOB_NAME="exp/one\ntwo")
    assert os.readlink(tmp_path / "logs/exp-one-two-12.out") == "12.out"


def test_srun_sees_neither_limits_of_another_job_nor_an_empty_environment(in_job):
    leaked = {"SLURM_MEM_PER_CPU": "100", "SLURM_GPUS": "8", "SLURM_EXPORT_ENV": "NONE", "SLURM_NTASKS": "4"}
    arguments, seen = in_job("train_v100", **leaked)
    assert {"--nodes=1", "--ntasks=1"} <= set(arguments)
    assert "SLURM_MEM_PER_CPU" not in seen and "SLURM_GPUS" not in seen and seen["SLURM_EXPORT_ENV"] == "ALL"


@pytest.mark.parametrize("script", ["train_v100", "evaluate", "export_gt"])
def test_srun_does_not_take_the_flags_of_a_job_around_it(in_job, script):
    """Each of these was seen to stop or change a step of Slurm 22.05; a training with RANK waits for other processes."""
    flags = "TIMELIMIT DISTRIBUTION THREADS_PER_CORE MPI_TYPE STDOUTMODE STDINMODE GRES CPUS_PER_GPU GPUS_PER_NODE CONSTRAINT"
    flags += " HET_SIZE MEM_BIND CPU_FREQ_REQ CORE_SPEC NO_KILL PROFILE TASK_PROLOG STEP_GRES DELAY_BOOT ACCTG_FREQ RESV_PORTS"
    leaked = {f"SLURM_{name}": "1" for name in flags.split()} | {"RANK": "2", "WORLD_SIZE": "4", "MASTER_ADDR": "n1"}
    _, seen = in_job(script, **leaked)
    assert not leaked.keys() & seen.keys()


def test_processes_meet_below_the_ephemeral_ports_and_elsewhere_after_a_restart(in_job):
    ports = [int(in_job("train_v100_multi", SLURM_RESTART_COUNT=str(n))[1]["MASTER_PORT"]) for n in range(3)]
    assert ports == [rendezvous_port(12, restarts) for restarts in range(3)]
    assert len(set(ports)) == 3 and all(10000 <= port < 30000 for port in ports)
    assert all(10000 <= rendezvous_port(10**9 + 7, restarts) < 30000 for restarts in range(50))
