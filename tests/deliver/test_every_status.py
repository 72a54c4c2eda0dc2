"""All 65,536 statuses that two bytes can hold fall into the classes of the policy, each into one, none beside them."""

from dcis_node.deliver import policy
from dcis_node.deliver.policy import Action

# The table of docs: PS3.4 Table B.2-1, PS3.7 Annex C. What no clause lists is tried as often as "cannot understand".
CLASSES = {
    "success": ({0x0000}, Action.DONE, None),
    "duplicate": ({0x0111}, Action.DONE, None),
    "warnings": ({0x0107, 0x0116, *range(0xB000, 0xC000)}, Action.DONE, None),
    "out of resources": (set(range(0xA700, 0xA800)), Action.RETRY, None),
    "passing": ({0x0110, 0x0213}, Action.RETRY, None),
    "configuration": ({0x0122, 0x0124}, Action.RETRY_SLOW, 3600.0),
    "mismatch": (set(range(0xA900, 0xAA00)), Action.DEAD, None),
    "cannot understand": (set(range(0xC000, 0xD000)), Action.RETRY, 1200.0),
}
LISTED = set().union(*(statuses for statuses, _, _ in CLASSES.values()))


def test_the_classes_are_apart():
    assert sum(len(statuses) for statuses, _, _ in CLASSES.values()) == len(LISTED)


def test_every_status_of_a_class_has_its_action_and_wait():
    for name, (statuses, action, wait) in CLASSES.items():
        found = {(verdict.action, verdict.wait_seconds) for verdict in map(policy.judge_status, statuses)}
        assert found == {(action, wait)}, name


def test_every_other_status_is_treated_as_one_that_cannot_be_understood():
    others = [policy.judge_status(status) for status in range(0x10000) if status not in LISTED]
    assert len(others) == 0x10000 - len(LISTED)
    assert {(verdict.action, verdict.wait_seconds) for verdict in others} == {(Action.RETRY, 1200.0)}
    assert all("no standard clause lists" in verdict.text for verdict in others)


def test_only_counted_statuses_end_in_death_by_number_and_all_of_those_do():
    counted = {status for status in range(0x10000) if policy.counted_range(status) is not None}
    assert counted == (set(range(0x10000)) - LISTED) | CLASSES["cannot understand"][0]
    assert all(policy.judge_status(status, refusals=3).action is Action.DEAD for status in counted)


def test_no_status_is_unknown_and_means_the_same_bytes_again():
    verdict = policy.judge_status(None, refusals=99)
    assert (verdict.action, verdict.wait_seconds) == (Action.RETRY, None)


def test_the_limit_of_time_ends_what_passes_and_nothing_else():
    for status in range(0x10000):
        verdict = policy.judge_status(status)
        late = policy.limited(verdict, tried_for=604800.0, give_up=604800.0)
        assert policy.limited(verdict, tried_for=604799.0, give_up=604800.0) is verdict
        if verdict.action in {Action.DONE, Action.DEAD}:
            assert late is verdict
        else:
            assert late == policy.Verdict(Action.DEAD, f"given up after 7 days: {verdict.text}")
