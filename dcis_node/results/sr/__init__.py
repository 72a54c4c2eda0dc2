"""The structured reports: their trees by highdicom's content items or by hand, and what every SR document carries."""
