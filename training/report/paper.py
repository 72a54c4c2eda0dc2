"""The paper's test figures, shown beside ours in a column of their own.

Cancer Imaging 2024, 24:48 (s40644-024-00691-x), Results: 93 patients, lesion given, threshold 0.5.
"""

COLUMN = "paper (clinical, other data)"
TEST_PATIENTS = 93
FIGURES = {
    "grade": {"auc": "0.72", "ppv": "40.3 %", "npv": "90.9 %"},
    "upstage": {"auc": "0.76", "ppv": "80.0 %", "npv": "83.9 %"},
}
TASKS = {
    "grade": "grade III against grade I or II, pure DCIS only: upstaged cases are left out",
    "upstage": "grade III or occult invasive cancer against grade I or II without it",
}


def comparison(*, synthetic: bool) -> str:
    """Say what the paper's column is worth beside ours."""
    if synthetic:
        return (
            "These are figures of synthetic phantoms. They cannot be compared with the paper's, "
            "which are clinical: a phantom is what its authors put into it. The paper's column is there to show the "
            "form of the result, nothing else."
        )
    return (
        "The paper's figures come from other patients of another hospital, so a difference from them is no proof of "
        "anything; they show the order of magnitude."
    )
