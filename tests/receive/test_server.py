from tests.receive.helpers import Receiver, echo, image, send


def test_an_echo_is_answered(receiver: Receiver) -> None:
    assert echo(receiver.port)


def test_an_image_is_acknowledged_when_it_is_readable(receiver: Receiver, no_part_stays) -> None:
    ds = image()
    assert send(receiver.port, ds) == [0x0000]
    [instance] = receiver.instances()
    assert receiver.kept(instance).PixelData == ds.PixelData
    assert (instance.reason, instance.analysis) == ("eligible", "pending")
