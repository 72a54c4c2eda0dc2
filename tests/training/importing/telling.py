"""Short words for what an import tells."""


def reasons(cohort) -> dict[str, str]:
    return {exclusion.key: exclusion.reason for exclusion in cohort.exclusions}


def step(cohort, name: str) -> tuple[int, int]:
    return next((s.patients, s.images) for s in cohort.flow if s.name == name)
