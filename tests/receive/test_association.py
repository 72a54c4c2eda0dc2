import threading

import pytest
from pynetdicom import AE
from pynetdicom.pdu_primitives import P_DATA

from dcis_node.config import ReceiveSettings
from dcis_node.receive.association import NodeAssociation, _keep_quiet


@pytest.fixture
def association() -> NodeAssociation:
    """An association that has no connection yet."""
    return NodeAssociation(AE(), number=7, settings=ReceiveSettings(), new_sink=None, on_end=lambda _: None)


def test_an_association_without_connection_can_be_dropped(association: NodeAssociation) -> None:
    association.end_connection("test")
    association.leave()
    assert association.dul.to_user_queue.get_nowait() is None


def test_only_one_abort_is_sent(association: NodeAssociation, monkeypatch) -> None:
    started: list[str] = []
    monkeypatch.setattr(threading.Thread, "start", lambda thread: started.append(thread.name))
    association.requestor.primitive = object()
    association.abort_now()
    association._sent_abort = True
    association.abort_now()
    assert started == ["abort-7"]


def test_after_the_end_nothing_is_taken_any_more(association: NodeAssociation) -> None:
    fragments = [[1, b"\x02data set without command"]]
    primitive = P_DATA()
    primitive.presentation_data_value_list = fragments
    association.dimse.close()
    association.dimse.receive_primitive(primitive)
    assert association.dul.event_queue.empty()


def test_what_breaks_a_thread_is_noted_without_its_text(caplog) -> None:
    def broken() -> None:
        raise ValueError("CANARY")

    thread = threading.Thread(target=broken)
    _keep_quiet(thread, 7)
    thread.start()
    thread.join()
    assert "event=association_failed association=7 error=ValueError at=broken" in caplog.text
    assert "CANARY" not in caplog.text
