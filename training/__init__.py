"""From graded mammograms to a model bundle."""
