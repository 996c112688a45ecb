"""One training config and lists of values -> one config for every combination."""

from __future__ import annotations

import dataclasses
import difflib
import itertools
import typing
from collections.abc import Mapping, Sequence

from litemono.engine.settings import TrainingConfig
from litemono.utils import cli
from litemono.utils.errors import UserError, require

NOT_SWEPT = {
    *("log_dir", "model_name", "stop_early"),  # they name the run folders, or compare them
    "recipe",  # chooses the defaults of the other flags before they are read
}


def expand(config: TrainingConfig, sweep: Sequence[str]) -> list[TrainingConfig]:
    """sweep: "flag=value,value,..." each. Run folders are log_dir/model_name/flag=value_flag=value."""
    if not sweep:
        return [config]
    flags = [parse(entry, flag_types(type(config))) for entry in sweep]
    names = [name for name, _ in flags]
    if len(set(names)) < len(names):
        raise UserError(f"--sweep {' '.join(sweep)}: each flag once")
    parent = config.run.log_dir / (config.run.model_name or "sweep")
    runs = []
    for values in itertools.product(*(values for _, values in flags)):
        chosen = list(zip(names, values, strict=True))
        name = "_".join(f"{flag}={value.replace('/', '-')}" for flag, value in chosen)
        run = config
        for flag, value in chosen:
            run = override(run, flag, value)
        runs.append(dataclasses.replace(run, run=dataclasses.replace(run.run, log_dir=parent, model_name=name)))
    return runs


def parse(entry: str, flags: Mapping[str, object]) -> tuple[str, list[str]]:
    """ "lr=1e-4,5e-5" -> ("lr", ["1e-4", "5e-5"])."""
    name, _, values = entry.partition("=")
    name = name.lstrip("-")
    choices = [value for value in values.split(",") if value]
    require(name not in NOT_SWEPT, f"--sweep {entry}: --{name} is the same for all runs; give it once, beside --sweep")
    if name not in flags or not choices:
        near = difflib.get_close_matches(name, flags, n=1)
        advice = f"did you mean {near[0]}=...?" if near else "the --help of the training lists its flags"
        raise UserError(f"--sweep {entry}: give a training flag and its values, like lr=1e-4,5e-5; {advice}")
    if len(set(choices)) < len(choices):
        raise UserError(f"--sweep {entry}: a value is repeated; give each once")
    return name, choices


def flag_types(settings: type[TrainingConfig]) -> dict[str, object]:
    """Every flag of a training command and its type."""
    hints = typing.get_type_hints(settings)
    groups = [hints[field.name] for field in dataclasses.fields(settings)]
    return {name: kind for group in groups for name, kind in typing.get_type_hints(group).items()}


def override(config: TrainingConfig, flag: str, value: str) -> TrainingConfig:
    """`config` with one flag as if it were given on the command line."""
    if flag_types(type(config))[flag] is bool:
        if value.lower() not in ("true", "false"):
            raise UserError(f"--sweep {flag}={value}: must be true or false")
        group = next(f.name for f in dataclasses.fields(config) if hasattr(getattr(config, f.name), flag))
        changed = dataclasses.replace(getattr(config, group), **{flag: value.lower() == "true"})
        return dataclasses.replace(config, **{group: changed})
    return cli.parse(type(config), "litemono.submit", "", [f"--{flag}", value], default=config)
