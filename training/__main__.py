"""`python -m training`, for launchers that start a module: `torchrun -m training fit ...`."""

from training.cli import main

main()
