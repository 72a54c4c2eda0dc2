"""Pictures for people: views with outlines, texts that wrap, the summary of an exam."""
