import multiprocessing

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from dcis_node.errors import SchemaError
from dcis_node.results.kinds import ResultKind
from storage import engines, migrate
from storage.database import Database, upgrade
from storage.schema import Base


def test_the_migrations_give_the_schema_of_the_models(db: Database) -> None:
    with db.read() as session:
        context = MigrationContext.configure(session.connection(), opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_head_is_the_newest_migration() -> None:
    scripts = ScriptDirectory(str(migrate.MIGRATIONS))
    assert scripts.get_heads() == [migrate.HEAD]


def test_a_second_upgrade_changes_nothing(sqlite_db: Database, url: str) -> None:
    with sqlite_db.write() as session:
        session.execute(text("INSERT INTO patient (patient_id, issuer) VALUES ('1', '')"))

    upgrade(url)

    with sqlite_db.read() as session:
        assert session.execute(text("SELECT count(*) FROM patient")).scalar() == 1


def test_the_first_schema_can_be_taken_back(sqlite_db: Database, url: str) -> None:
    engine = engines.migration_engine(url)
    with engine.begin() as connection:
        command.downgrade(migrate.migration_config(connection), "base")
        assert inspect(connection).get_table_names() == ["alembic_version"]
    engine.dispose()


def test_an_exam_of_the_first_schema_is_kept_and_has_no_bundle_yet(url: str) -> None:
    engines.prepare_location(url)
    engine = engines.migration_engine(url)
    with engine.begin() as connection:
        command.upgrade(migrate.migration_config(connection), "0001")
        connection.execute(text("INSERT INTO patient (id, patient_id, issuer) VALUES (1, 'P1', '')"))
        connection.execute(
            text(
                "INSERT INTO exam (id, patient_id, study_date, state, opened_at, last_image_at, completeness,"
                " lease_owner, lease_until, attempts, failure)"
                " VALUES (5, 1, '20261123', 'open', 1.0, 2.0, '', '', 0.0, 0, '')"
            )
        )
        connection.execute(text("INSERT INTO study (id, study_instance_uid, exam_id) VALUES (1, '1.2', 5)"))
    engine.dispose()

    upgrade(url)

    engine = create_engine(url)
    with engine.begin() as connection:
        exam = connection.execute(text("SELECT id, patient_id, state, last_image_at, bundle_sha256 FROM exam")).one()
        assert tuple(exam) == (5, 1, "open", 2.0, "")
        assert connection.execute(text("SELECT exam_id FROM study")).scalar() == 5
        assert {"ix_exam_state", "ix_exam_patient_id"} <= {i["name"] for i in inspect(connection).get_indexes("exam")}
    engine.dispose()


def test_the_second_schema_can_be_taken_back(sqlite_db: Database, url: str) -> None:
    engine = engines.migration_engine(url)
    with engine.begin() as connection:
        command.downgrade(migrate.migration_config(connection), "0001")
        assert "bundle_sha256" not in {column["name"] for column in inspect(connection).get_columns("exam")}
    engine.dispose()


def test_results_of_the_second_schema_get_their_kind_and_analyses_no_picture(url: str) -> None:
    engines.prepare_location(url)
    engine = engines.migration_engine(url)
    classes = {
        11: ("1.2.840.10008.5.1.4.1.1.88.22", "SR"),
        12: ("1.2.840.10008.5.1.4.1.1.88.34", "SR"),
        13: ("1.2.840.10008.5.1.4.1.1.66.4", "SEG"),
        14: ("1.2.840.10008.5.1.4.1.1.66.4", "SEG"),
    }
    with engine.begin() as connection:
        command.upgrade(migrate.migration_config(connection), "0002")
        connection.execute(text("INSERT INTO patient (id, patient_id, issuer) VALUES (1, 'P1', '')"))
        connection.execute(
            text(
                "INSERT INTO exam (id, patient_id, study_date, state, opened_at, last_image_at, completeness,"
                " lease_owner, lease_until, attempts, failure, bundle_sha256)"
                " VALUES (5, 1, '20261123', 'reported', 1.0, 2.0, '', '', 0.0, 0, '', 'ab')"
            )
        )
        connection.execute(text("INSERT INTO study (id, study_instance_uid, exam_id) VALUES (1, '1.2', 5)"))
        connection.execute(
            text(
                "INSERT INTO report (id, exam_id, version, inputs_sha256, bundle_sha256, decision, views, made_at)"
                " VALUES (7, 5, 1, 'cd', 'ab', '{}', '[]', 3.0)"
            )
        )
        for number, (sop_class, modality) in classes.items():
            connection.execute(
                text(
                    "INSERT INTO result (id, report_id, sop_instance_uid, sop_class_uid, study_instance_uid,"
                    " series_instance_uid, transfer_syntax_uid, modality, sha256)"
                    " VALUES (:number, 7, :uid, :sop_class, '1.2', '1.3', '1.2.840.10008.1.2.1', :modality, :sha256)"
                ),
                {"number": number, "uid": f"1.2.{number}", "sop_class": sop_class, "modality": modality, "sha256": "e"},
            )
        connection.execute(
            text(
                "INSERT INTO outbox (id, result_id, destination, state, attempts, next_try_at, lease_owner,"
                " lease_until, last_error) VALUES (9, 12, 'pacs', 'due', 0, 4.0, '', 0.0, '')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO instance (id, sop_instance_uid, sop_class_uid, series_instance_uid, study_id, exam_id,"
                " sha256, size_bytes, transfer_syntax_uid, received_at, duplicates, facts, eligible, reason, analysis,"
                " lease_owner, lease_until, attempts, next_try_at) VALUES (3, '1.4', '1.5', '1.6', 1, 5, 'f', 1, '1.7',"
                " 1.0, 0, '{}', 1, 'eligible', 'analysed', '', 0.0, 1, 0.0)"
            )
        )
        connection.execute(
            text(
                "INSERT INTO view_analysis (id, instance_id, instance_sha256, bundle_sha256, settings_sha256,"
                " prediction, mask_sha256, seconds, analysed_at) VALUES (2, 3, 'f', 'ab', 's', '{}', 'm', 1.0, 2.0)"
            )
        )
    engine.dispose()

    upgrade(url)

    engine = create_engine(url)
    with engine.begin() as connection:
        kinds = {int(row.id): (row.kind, row.sha256) for row in connection.execute(text("SELECT * FROM result"))}
        assert kinds == {
            11: ("readable_report", "e"),
            12: ("measurement_report", "e"),
            13: ("segmentation", "e"),
            14: ("segmentation", "e"),
        }
        assert {kind for kind, _ in kinds.values()} <= set(ResultKind)
        analysis = connection.execute(text("SELECT mask_sha256, picture_sha256 FROM view_analysis")).one()
        assert tuple(analysis) == ("m", "")
        assert connection.execute(text("SELECT result_id, state FROM outbox")).one() == (12, "due")
        assert "ix_result_report_id" in {index["name"] for index in inspect(connection).get_indexes("result")}
    engine.dispose()


def test_the_third_schema_can_be_taken_back(sqlite_db: Database, url: str) -> None:
    engine = engines.migration_engine(url)
    with engine.begin() as connection:
        command.downgrade(migrate.migration_config(connection), "0002")
        assert "kind" not in {column["name"] for column in inspect(connection).get_columns("result")}
        assert "picture_sha256" not in {column["name"] for column in inspect(connection).get_columns("view_analysis")}
    engine.dispose()


def test_processes_that_start_at_once_do_not_clash(url: str) -> None:
    context = multiprocessing.get_context("fork")
    starters = [context.Process(target=upgrade, args=(url,)) for _ in range(4)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join()

    assert [starter.exitcode for starter in starters] == [0, 0, 0, 0]


def test_a_newer_schema_is_refused_and_left_alone(sqlite_db: Database, url: str) -> None:
    with sqlite_db.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(SchemaError, match="newer"):
        upgrade(url)

    with sqlite_db.read() as session:
        assert session.execute(text("SELECT version_num FROM alembic_version")).scalar() == "9999"


def test_a_database_of_another_program_is_refused(url: str) -> None:
    engines.prepare_location(url)
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE other (id INTEGER)"))
    engine.dispose()

    with pytest.raises(SchemaError, match="not made by this program"):
        upgrade(url)


def test_a_migration_that_leaves_loose_ends_is_undone(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "broken_foreign_keys", lambda _: 3)
    with pytest.raises(SchemaError, match="3 rows"):
        upgrade(url)

    engine = create_engine(url)
    assert inspect(engine).get_table_names() == []
    engine.dispose()
