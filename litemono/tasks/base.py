"""The seam, from a task's side: what the engine asks a task, and what it expects in return.

    data(processes)            loaders for training and validation, fingerprints of their sample lists
    build(device, precision)   the networks with random weights
    initialise(networks)       first weights of a new run
    accelerate(networks, ...)  optional: compiled code in place of plain
    parameter_groups(networks) named groups, each with its AdamW settings and its learning-rate schedule
    forward(networks, batch)   total loss, named parts of it, what pictures are made of; augmentation is in here
    validate(networks, batch)  named metrics of a batch, as parts of means; `best` says which of them choose weights
    pictures(shown)            named images for TensorBoard
    save(networks, folder)     weights in the format of the task's field
    advice(device, precision)  what --profile suggests where a step is slow

The definitions are in litemono/engine/task.py, because the engine imports nothing of litemono/tasks.
"""

from litemono.engine.task import Advice, Batch, Best, Forward, Mean, ParameterGroup, Task, TaskData, Validated

__all__ = ["Advice", "Batch", "Best", "Forward", "Mean", "ParameterGroup", "Task", "TaskData", "Validated"]
