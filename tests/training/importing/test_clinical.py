from pathlib import Path

import pytest

from dcis_node.errors import TrainingError
from training.importing.clinical import read_clinical

HEADER = "patient_id,laterality,grade_surgery,invasive,size_mm"


@pytest.fixture
def table(tmp_path: Path):
    def write(text: str, *, encoding: str = "utf-8") -> Path:
        path = tmp_path / "clinical.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return write


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize(("separator", "size"), [(",", '"12,5"'), (",", "12.5"), (";", "12,5"), ("\t", "12,5")])
def test_separator_encoding_and_decimal_mark_are_told_by_the_file(table, encoding, separator, size):
    path = table(
        f"{HEADER}\r\nX\xe91,R,II,no,SIZE\r\n\r\n".replace(",", separator).replace("SIZE", size), encoding=encoding
    )

    (row,) = read_clinical(path).rows

    assert (row.row, row.patient_id, row.laterality) == (2, "X\xe91", "R")
    assert (row.grade_surgery, row.invasive, row.size_mm) == (2, False, 12.5)


def test_column_names_do_not_depend_on_capitals_spaces_and_hyphens(table):
    read = read_clinical(table("Patient ID,Grade-Surgery,INVASIVE, Size mm\nA,1,no,3\n"))

    assert read.columns == ("patient_id", "grade_surgery", "invasive", "size_mm")


def test_an_unknown_column_is_named_with_the_nearest_known_one(table):
    with pytest.raises(TrainingError, match="unknown column 'grade_surgry'; the nearest known column is 'grade_surge"):
        read_clinical(table("patient_id,grade_surgry,invasive\nA,1,no\n"))


def test_a_column_that_is_like_none_has_no_nearest(table):
    with pytest.raises(TrainingError, match=r"unknown column 'zzz'\. Rename it, or pass it over with --ignore-column"):
        read_clinical(table("patient_id,grade_surgery,invasive,zzz\nA,1,no,x\n"))


def test_an_ignored_column_is_passed_over_and_recorded(table):
    read = read_clinical(table("patient_id,grade_surgery,invasive,Surgeon Name\nA,1,no,x\n"), ignore=["surgeon name"])

    assert read.ignored == ("surgeon_name",)
    assert read.columns == ("patient_id", "grade_surgery", "invasive")


@pytest.mark.parametrize("column", ["patient_id", "grade_surgery", "invasive"])
def test_a_required_column_must_be_there_and_cannot_be_ignored(table, column):
    names = ["patient_id", "grade_surgery", "invasive"]
    with pytest.raises(TrainingError, match=f"column '{column}' is missing"):
        read_clinical(table(",".join(n for n in names if n != column) + "\n"))
    with pytest.raises(TrainingError, match=f"column '{column}' is missing"):
        read_clinical(table(",".join(names) + "\nA,1,no\n"), ignore=[column])


def test_a_table_without_a_header_is_not_quoted(table):
    with pytest.raises(TrainingError, match="no known column in row 1; is the header missing") as caught:
        read_clinical(table("Jansen,III,yes\n"))
    assert "Jansen" not in str(caught.value)


def test_a_column_that_is_there_twice_is_refused(table):
    with pytest.raises(TrainingError, match="'invasive' is there twice"):
        read_clinical(table("patient_id,grade_surgery,invasive,Invasive\n"))


def test_two_grades_at_surgery_refuse_the_import_by_row_numbers_only(table):
    with pytest.raises(TrainingError, match=r"rows 2 and 4 .* two grades at surgery") as caught:
        read_clinical(table(f"{HEADER}\n7654321,R,II,no,\nB,L,I,no,\n7654321,R,III,no,\n"))
    assert "7654321" not in str(caught.value)


def test_a_row_without_a_side_speaks_of_the_same_surgery(table):
    with pytest.raises(TrainingError, match="two grades at surgery"):
        read_clinical(table(f"{HEADER}\nA,R,II,no,\nA,,III,no,\n"))


def test_rows_that_disagree_in_anything_else_are_refused_by_the_column(table):
    with pytest.raises(TrainingError, match=r"rows 2 and 3 .* disagree in column 'size_mm'"):
        read_clinical(table(f"{HEADER}\nA,R,II,no,12\nA,R,II,no,13\n"))


def test_equal_rows_count_once_and_two_sides_are_two_rows(table):
    read = read_clinical(table(f"{HEADER}\nA,R,II,no,12\nA,R,2,no,12.0\nA,L,III,no,\n"))

    assert [(row.laterality, row.grade_surgery) for row in read.rows] == [("R", 2), ("L", 3)]


def test_wrong_cells_are_named_by_row_and_column_never_quoted(table):
    with pytest.raises(TrainingError) as caught:
        read_clinical(table(f"{HEADER}\nA,R,Jansen,no,\nB,R,I,no\n,R,I,no,\nC,middle,I,no,\n"))
    text = str(caught.value)
    assert "row 2, column 'grade_surgery': allowed is I, II, III" in text
    assert "row 3 has 4 cells, the header has 5" in text
    assert "row 4, column 'patient_id': empty" in text
    assert "row 5, column 'laterality'" in text
    assert "Jansen" not in text
    assert "middle" not in text


def test_many_wrong_cells_are_counted(table):
    with pytest.raises(TrainingError, match=r"\(and 5 more\)"):
        read_clinical(table(HEADER + "\n" + "A,R,V,no,\n" * 15))


def test_an_empty_or_missing_file_is_refused(table, tmp_path):
    with pytest.raises(TrainingError, match="empty"):
        read_clinical(table(""))
    with pytest.raises(TrainingError, match=r"none.csv: cannot be read \(No such file"):
        read_clinical(tmp_path / "none.csv")
