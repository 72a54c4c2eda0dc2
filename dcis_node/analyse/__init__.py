"""From a stored exam to its results: decoding, view analysis, completeness, decision."""
