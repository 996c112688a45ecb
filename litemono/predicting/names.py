"""How results are called."""

from __future__ import annotations

RESULT = "_disp"  # ends the stem of what is written, as published
PICTURE = f"{RESULT}.jpeg"
NUMBERS = f"{RESULT}.npy"
FILM = f"{RESULT}.mp4"
PARTIAL = f"{RESULT}.partial"  # folder with what an interrupted run has
DEPTH = "_depth"
DEPTH_PNG = f"{DEPTH}.png"
POINTS = "_points.ply"
