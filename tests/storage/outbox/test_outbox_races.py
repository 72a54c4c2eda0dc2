import threading

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from storage import outbox
from storage.schema import Outbox
from tests.storage.outbox.rows import NOW, NUMBERS, add_results, claim


def test_claimants_at_the_same_moment_never_get_the_same_row(db, report_id):
    for study in range(6):
        add_results(db, report_id, 3, study=f"1.{study}")
    start = threading.Barrier(4)
    got = {owner: [] for owner in "abcd"}

    def work(owner):
        start.wait()
        while parcels := claim(db, owner=owner):
            got[owner].extend(parcel.outbox_id for parcel in parcels)

    threads = [threading.Thread(target=work, args=(owner,)) for owner in got]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    everything = [key for keys in got.values() for key in keys]
    assert len(everything) == len(set(everything)) == 18


def test_the_loser_of_a_race_takes_the_next_study(db, report_id, monkeypatch):
    add_results(db, report_id, 1, study="1.2")
    add_results(db, report_id, 1, study="1.3")
    write, rivals = db.write, ["rival"]

    def write_after_a_rival():
        if rivals:
            assert claim(db, owner=rivals.pop())[0].study_instance_uid == "1.2"
        return write()

    monkeypatch.setattr(db, "write", write_after_a_rival)
    (parcel,) = claim(db, owner="a")
    assert parcel.study_instance_uid == "1.3"


class TwoCouriers:
    """What two couriers believe to hold; `step` does something with the outbox and keeps the belief up to date."""

    def __init__(self, db, name):
        self.db, self.name, self.now = db, name, NOW
        self.held = {"a": {}, "b": {}}

    def step(self, action, owner, wait):
        self.now += wait
        getattr(self, action)(owner)

    def claim(self, owner):
        for parcel in claim(self.db, owner=owner, now=self.now, destination=self.name):
            for others in self.held.values():
                others.pop(parcel.outbox_id, None)  # its lease has run out
            self.held[owner][parcel.outbox_id] = parcel

    def die(self, owner):
        outbox.release_leases(self.db, owner)
        self.held[owner].clear()

    def release(self, owner):
        outbox.release(self.db, list(self.held[owner].values()), owner=owner)
        self.held[owner].clear()

    def requeue(self, owner):
        outbox.requeue(self.db, now=self.now, destination=self.name)

    def sent(self, owner):
        for parcel in self._next(owner):
            assert outbox.mark_sent(self.db, parcel, now=self.now, status=0)

    def retry(self, owner):
        for parcel in self._next(owner):
            later = self.now + 5
            assert outbox.mark_retry(
                self.db, parcel, owner=owner, now=self.now, next_try_at=later, status=None, error=""
            )

    def dead(self, owner):
        for parcel in self._next(owner):
            assert outbox.mark_dead(self.db, parcel, owner=owner, now=self.now, status=None, error="")

    def _next(self, owner):
        return [self.held[owner].popitem()[1]] if self.held[owner] else []

    def rows(self):
        with self.db.read() as session:
            return session.scalars(select(Outbox).where(Outbox.destination == self.name)).all()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["claim", "claim", "sent", "retry", "dead", "release", "die", "requeue"]),
        st.sampled_from("ab"),
        st.floats(0, 50),
    ),
    max_size=20,
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=STEPS)
def test_whatever_happens_no_row_is_lost_and_no_row_has_two_holders(db, report_id, steps):
    name = f"place-{next(NUMBERS)}"
    add_results(db, report_id, 2, destinations=(name,))
    couriers = TwoCouriers(db, name)
    for step in steps:
        couriers.step(*step)
        rows = couriers.rows()
        assert len(rows) == 2
        believed = {key: owner for owner, parcels in couriers.held.items() for key in parcels}
        assert {r.id: r.lease_owner for r in rows if r.lease_owner} == believed
        assert {r.id for r in rows if r.state == "leased"} == set(believed)
    for last in ("die", "requeue"):
        couriers.step(last, "a", 0)
        couriers.step(last, "b", 0)
    left = claim(db, owner="last", now=couriers.now + 5, destination=name)
    assert len(left) + outbox.counts(db)[name].get("sent", 0) == 2
