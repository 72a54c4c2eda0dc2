"""`python -m dcis_node` is `dcis-node`."""

from dcis_node.cli import main

main()
