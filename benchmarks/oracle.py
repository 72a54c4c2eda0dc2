"""The Bayes bound of the phantom: the best AUC that anybody can reach who sees everything that was drawn.

SYNTHETIC: these are figures of the phantom generator, never of patients. With a cohort it is also given for its own
patients (those of the test set, with splits), which is what an evaluation on them has to be held against.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from sklearn.metrics import roc_auc_score

from training.cohort import SCENARIOS, Cohort, patient_labels, read_cohort
from training.oracle import oracle_bounds, oracle_probabilities, with_truth
from training.splits import read_splits


def main() -> int:
    """Draw, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--patients", type=int, default=40_000, help="drawn for the bound")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cohort", type=Path, help="folder of cohort.json, of phantoms")
    parser.add_argument("--splits", type=Path, help="judge the test patients of these splits only")
    parser.add_argument("--truth", type=Path, help="truth.csv of the synthetic hospital, if the cohort has files")
    arguments = parser.parse_args()
    bounds = [asdict(bound) for bound in oracle_bounds(patients=arguments.patients, seed=arguments.seed)]
    figures = {"synthetic": True, "bounds": bounds, "cohort": {}}
    if arguments.cohort is not None:
        cohort = read_cohort(arguments.cohort)
        figures["cohort"] = of_cohort(cohort, arguments.splits, arguments.truth)
    if arguments.json:
        print(json.dumps(figures))
        return 0
    print("SYNTHETIC phantoms, never figures of patients")
    for bound in bounds:
        print("{target:<10} sees {sees:<22} AUC {auc:.3f}  ({patients} patients, {prevalence:.1%})".format(**bound))
    for scenario, seen in figures["cohort"].items():
        print(f"cohort, {scenario}: AUC {seen['auc']:.3f} of {seen['patients']} patients, {seen['high']} high")
    return 0


def of_cohort(cohort: Cohort, splits: Path | None, truth: Path | None) -> dict[str, dict[str, float]]:
    """Give the oracle's AUC on a cohort's patients, or on its test patients, for both scenarios."""
    test = set(read_splits(splits, cohort).test) if splits else {row.patient for row in cohort.views}
    rows = [row for row in cohort.views if row.patient in test]
    told = with_truth(rows, truth) if truth else rows
    seen = {}
    for scenario in SCENARIOS:
        labels = patient_labels(rows, scenario)
        known = oracle_probabilities([row for row in told if row.patient in labels], scenario)
        auc = roc_auc_score([labels[p] for p in known], list(known.values()))
        seen[scenario] = {"auc": float(auc), "patients": len(known), "high": sum(labels.values())}
    return seen


if __name__ == "__main__":
    sys.exit(main())
