import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcis_node.errors import TrainingError
from training.importing.keys import patient_keys, write_key_file

HASHES = [hashlib.sha256(bytes([n])).hexdigest() for n in range(3)]


def test_the_order_is_that_of_an_hmac_over_the_images():
    secret = hashlib.sha256("".join(sorted(HASHES)).encode()).digest()
    numbers = [f"{n:07d}" for n in range(50)]
    expected = sorted(numbers, key=lambda n: hmac.new(secret, n.encode(), "sha256").digest())

    keys = patient_keys(numbers, HASHES)

    assert [keys[n] for n in expected] == [f"patient-{n:04d}" for n in range(1, 51)]
    assert expected != sorted(numbers)


@given(st.permutations(["1000001", "1000002", "1000003", "1000004"]), st.permutations(HASHES))
def test_the_order_in_which_patients_and_files_are_met_does_not_matter(numbers, hashes):
    assert patient_keys(numbers, hashes) == patient_keys(sorted(numbers), HASHES)


def test_other_images_give_another_order():
    numbers = [f"{n:07d}" for n in range(20)]

    assert patient_keys(numbers, HASHES) != patient_keys(numbers, HASHES[:2])


def test_a_key_file_is_never_overwritten_nor_put_into_the_cohort(tmp_path):
    cohort = tmp_path / "cohort"
    cohort.mkdir()
    with pytest.raises(TrainingError, match="must not lie in the cohort's folder"):
        write_key_file(cohort / "keys.csv", {"1": "patient-0001"}, cohort=cohort)
    write_key_file(tmp_path / "keys.csv", {"1": "patient-0001"}, cohort=cohort)
    with pytest.raises(TrainingError, match="File exists"):
        write_key_file(tmp_path / "keys.csv", {"2": "patient-0001"}, cohort=cohort)
