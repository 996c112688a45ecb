"""The two layouts of names in DPT's weight files.

isl-org/DPT's main branch has readout and reassembly as one sequence, `act_postprocessN.0|3|4`; its scriptable branch and
guillesanbri/DPT have them apart, `readout_operN.0` and `act_postprocessN.0|1`. All else is the same. Networks here have the
names of the main branch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

Value = TypeVar("Value")

START = r"^(pretrained\.)"
TO_MAIN = (
    (re.compile(START + r"act_postprocess(\d)\.1\."), r"\1act_postprocess\2.4."),
    (re.compile(START + r"act_postprocess(\d)\.0\."), r"\1act_postprocess\2.3."),
    (re.compile(START + r"readout_oper(\d)\.0\."), r"\1act_postprocess\2.0."),
)
TO_SCRIPTABLE = (
    (re.compile(START + r"act_postprocess(\d)\.0\."), r"\1readout_oper\2.0."),
    (re.compile(START + r"act_postprocess(\d)\.3\."), r"\1act_postprocess\2.0."),
    (re.compile(START + r"act_postprocess(\d)\.4\."), r"\1act_postprocess\2.1."),
)


def is_scriptable(content: Mapping[str, object]) -> bool:
    """Whether names are those of the scriptable branch."""
    return any(TO_MAIN[-1][0].match(name) for name in content)


def main_layout(content: Mapping[str, Value]) -> dict[str, Value]:
    """The same tensors under the names of the main branch; content of any other kind is left as it is."""
    return _renamed(content, TO_MAIN) if is_scriptable(content) else dict(content)


def scriptable_layout(content: Mapping[str, Value]) -> dict[str, Value]:
    """Tensors in the main branch's names under those of the scriptable branch."""
    return _renamed(content, TO_SCRIPTABLE)


def _renamed(content: Mapping[str, Value], rules: tuple[tuple[re.Pattern[str], str], ...]) -> dict[str, Value]:
    """Each name by the first rule that fits it."""

    def new(name: str) -> str:
        return next((rule.sub(to, name) for rule, to in rules if rule.match(name)), name)

    return {new(name): value for name, value in content.items()}
