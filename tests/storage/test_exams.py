from storage.database import Database
from storage.exams import OpenExam, exam_instances, sweep_exams
from storage.index import close_association, open_association
from storage.work import claim_exam, claim_instance
from tests.storage.exam_rows import exam, receive, receive_key_object, receive_refused, set_exam, set_instance


def always(_exam: OpenExam) -> str:
    return "quiet"


def never(_exam: OpenExam) -> None:
    return None


def seen_by_judge(db: Database) -> list[OpenExam]:
    seen: list[OpenExam] = []
    sweep_exams(db, seen.append)
    return seen


def test_a_complete_exam_becomes_due_with_the_name_of_the_rule(db: Database):
    receive_refused(db, 1)
    assert sweep_exams(db, never) == 0
    assert sweep_exams(db, always) == 1
    assert (exam(db).state, exam(db).completeness) == ("due", "quiet")
    assert sweep_exams(db, always) == 0


def test_an_exam_without_images_is_never_judged(db: Database):
    receive_key_object(db, 1)
    set_exam(db, state="open")
    assert seen_by_judge(db) == []
    assert sweep_exams(db, always) == 0


def test_the_judge_sees_images_times_and_associations(db: Database):
    with db.write() as session:
        first = open_association(session, owner="r1", calling_aet="A", address="x", now=1.0)
        second = open_association(session, owner="r1", calling_aet="A", address="x", now=2.0)
        open_association(session, owner="r1", calling_aet="ELSEWHERE", address="x", now=2.0)
    receive(db, 1, now=3.0, association=first)
    receive_refused(db, 2, now=4.0, association=second)
    receive_key_object(db, 3, now=5.0, association=second)
    with db.write() as session:
        close_association(session, first, now=6.0)
    (seen,) = seen_by_judge(db)
    assert (seen.opened_at, seen.last_image_at) == (3.0, 4.0)
    assert [image.reason for image in seen.images] == ["eligible", "tomosynthesis"]
    assert (seen.open_associations, seen.last_closed_at) == (1, 6.0)


def test_an_exam_that_got_an_image_while_it_was_judged_stays_open(db: Database):
    receive_refused(db, 1, now=1.0)

    def judge(_exam: OpenExam) -> str:
        receive_refused(db, 2, now=2.0)
        return "quiet"

    assert sweep_exams(db, judge) == 0
    assert exam(db).state == "open"


def test_an_exam_due_again_is_free_of_its_old_lease_and_its_old_attempts(db: Database):
    receive_refused(db, 1)
    sweep_exams(db, always)
    old = claim_exam(db, owner="w1", now=5.0, lease_seconds=1000.0)
    receive_refused(db, 2, now=6.0)
    sweep_exams(db, always)
    new = claim_exam(db, owner="w1", now=7.0, lease_seconds=1000.0)
    assert old is not None
    assert new is not None
    assert new.attempts == 1
    assert new.lease_until != old.lease_until


def test_the_contents_of_an_exam_are_listed_in_the_order_of_arrival(db: Database):
    receive(db, 5, now=2.0, facts={"view": "CC"})
    receive_key_object(db, 6, now=3.0)
    receive(db, 4, now=1.0, study_instance_uid="1.9")
    set_instance(db, 1, analysis="failed", reason="pixels_missing")
    with db.read() as session:
        listed = exam_instances(session, 1)
    assert [i.sop_instance_uid for i in listed] == ["1.2.3.4", "1.2.3.5", "1.2.3.6"]
    assert [i.is_image for i in listed] == [True, True, False]
    assert listed[0].study_instance_uid == "1.9"
    assert (listed[1].facts, listed[1].analysis, listed[1].reason) == ({"view": "CC"}, "failed", "pixels_missing")


def test_our_own_results_are_no_images_of_the_exam(db: Database):
    receive(db, 1)
    receive_refused(db, 2, reason="own_result")
    (seen,) = seen_by_judge(db)
    assert len(seen.images) == 1
    assert claim_instance(db, owner="w1", now=2.0, lease_seconds=1.0) is not None
