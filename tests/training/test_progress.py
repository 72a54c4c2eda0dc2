from training.progress import Progress, last_progress, progress_log


def test_the_last_line_comes_back(tmp_path):
    path = tmp_path / "logs" / "fold-1.csv"
    assert last_progress(path) is None
    with progress_log(path) as write:
        assert last_progress(path) is None
        write(Progress("joint, first", 5, 10, 0.5, 0.25))
        assert last_progress(path) == Progress("joint, first", 5, 10, 0.5, 0.25)
        write(Progress("joint, first", 10, 10, 0.4, 0.2))
    with progress_log(path) as write:
        write(Progress("later", 1, 2))
    assert last_progress(path) == Progress("later", 1, 2)


def test_a_line_that_is_being_written_is_not_read(tmp_path):
    path = tmp_path / "log.csv"
    with progress_log(path) as write:
        write(Progress("joint", 5, 10))
    path.write_text(path.read_text() + "joint,1")
    assert last_progress(path) == Progress("joint", 5, 10)
