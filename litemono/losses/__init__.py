"""The papers' equations. Each loss says its paper, shapes and units; none imports a task or a network.

photometric.py          self-supervised: SSIM, L1, auto-mask; smoothness.py: edge-aware smoothness
photometric_fused.py    the same numbers with a hand-written gradient; compiled.py: --compile_parts loss

registry.py             the supervised losses by name, for --loss
silog.py                scale-invariant logarithmic error in five published forms; robust.py: L1, berHu, smooth L1
scale_shift.py          relative depth (MiDaS); gradient_matching.py: its edges
masked.py               what they share: float32 under autocast, sums over valid pixels
object_weighted.py      litemono refine: objects weigh more; mask_depth.py: litemono segment
"""
