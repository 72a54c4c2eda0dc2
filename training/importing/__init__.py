"""From a hospital's folders, or a public data set, to a cohort."""
