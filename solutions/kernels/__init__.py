"""The hidden kernels: batch normalization in four tiers, for images and for channels last, in CUDA C.

common.cuh           storage types, packs, copies beside the work, sums over warps, blocks and, by letters, the grid
images.cu            N, C, H, W: one block a channel; several blocks a channel in two launches
held.cu              N, C, H, W: one read and one write, by blocks that hold whole channels
persistent.cu        N, C, H, W: one read and one write, by blocks that share a channel
rows.cu              rows x channels, for features and N, H, W, C: one block a slab; several in two launches
rows_persistent.cu   rows x channels: one launch, whose blocks keep what fits of their rows
plan.py              how a shape is divided among blocks
launch.py            the same launches for CuPy and for the simulator of bnlab.gpu
fused.py             notebook 09's three kernels each way, made once
by_hand.py           the hidden kernels under the names of notebook 10's tasks
fastest.py           these as text for a worker
bench/               what a GPU has to tell about speed: `make gpu`
nvrtc.py             compiles without a GPU: registers, spills, PTX
"""
