"""What the figures do not say; the same words on the page and on the card."""

_SYNTHETIC = """\
Computer-made phantoms trained this, or were judged by it, or both. No figure says anything of a patient.
A phantom has one lesion, four views, no scars, clips, implants, skin folds or masses. On a real mammogram, expect \
outlines of anything small and bright, and a probability without meaning.
The phantom's grades differ by size, form and number of calcifications by a table of its authors' making. What the \
network learnt is that table.
CC and MLO of a phantom share all that matters, so averaging them gains less than it would in life."""

_CLINICAL = """\
The figures hold for patients like those of the cohort's tables, of the same hospital, vendors and years; nothing is \
known beyond them before an external validation.
All patients had surgery after a biopsy that showed DCIS. Patients without a biopsy, with a mass or an architectural \
distortion, or with invasive cancer known beforehand are not among them."""

_COMMON = """\
Who gives the lesion knows where it is; what a node reaches by itself is the column of the lesion found.
Intervals are of the test patients' number only: they do not hold another draw of the training patients, another \
reader's outlines, or another pathologist's grades.
The predictive values depend on how many of the test patients are at high risk; elsewhere that share differs."""


def limits(*, synthetic: bool) -> tuple[str, ...]:
    """Give the sentences, the weightiest first."""
    return (*(_SYNTHETIC if synthetic else _CLINICAL).splitlines(), *_COMMON.splitlines())
