from storage.database import Database
from storage.pins import pin_bundle, pinned_bundle
from tests.storage.exam_rows import receive


def pinned(db: Database) -> str:
    with db.read() as session:
        return pinned_bundle(session, 1)


def test_an_exam_has_no_bundle_until_one_is_pinned(db: Database):
    receive(db, 1)
    assert pinned(db) == ""
    assert pin_bundle(db, 1, "a" * 64, instead_of="")
    assert pinned(db) == "a" * 64


def test_the_first_of_two_workers_pins_and_the_other_is_told(db: Database):
    receive(db, 1)
    assert pin_bundle(db, 1, "a" * 64, instead_of="")
    assert not pin_bundle(db, 1, "b" * 64, instead_of="")
    assert pinned(db) == "a" * 64


def test_another_bundle_is_pinned_in_place_of_a_known_one_only(db: Database):
    receive(db, 1)
    pin_bundle(db, 1, "a" * 64, instead_of="")
    assert pin_bundle(db, 1, "b" * 64, instead_of="a" * 64)
    assert pinned(db) == "b" * 64


def test_a_new_image_of_the_exam_leaves_its_bundle(db: Database):
    receive(db, 1)
    pin_bundle(db, 1, "a" * 64, instead_of="")
    receive(db, 2)
    assert pinned(db) == "a" * 64
