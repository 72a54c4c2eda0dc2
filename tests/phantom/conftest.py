"""Small phantoms, made once per test process."""

import pytest

from dcis_node.phantom.exam import PhantomExam, generate_exam

SMALL = (704, 576)


@pytest.fixture(scope="session")
def exam() -> PhantomExam:
    return generate_exam(7, vendor="hologic", grade=3, laterality="L", lut="windows", size=SMALL)


@pytest.fixture(scope="session")
def right_exam() -> PhantomExam:
    return generate_exam(8, vendor="ge", grade=1, laterality="R", size=SMALL)
