"""Training, whatever is trained: nothing here imports tasks, losses, networks or data.

task.py                 what the engine asks of a task
settings.py             the flags of every training
loop.py                 epoch by epoch, step by step; step.py: one optimiser step; training.py: what they work on
validation.py           means over the whole split and all processes
lr_schedule.py          learning rates; precision.py: number formats; grad_guard.py: skipped steps
graphed_step.py         --cuda_graph
distributed.py          several processes; readback.py: numbers from the device without waiting

checkpoint.py           files of exact resume; checkpoint_writer.py: written by a thread; checkpoint_paths.py: their names
resume.py               what a checkpoint holds, what may change, how a run is restored
run_folder.py           what is where in a run; attempts.py: one line for each start
signals.py              a signal sets a flag; watchdog.py: --hang_minutes; node_health.py: broken cards
early_stop.py           --stop_early

reporter.py             progress line, status.json; step_log.py: the numbers of the steps as they arrive
tensorboard.py          curves; trackers.py: --tracker
profiler.py             --profile; profile_tables.py: its tables and curves
"""
