"""The retriever process."""

from dcis_node.config import Configuration
from dcis_node.operate.audit.trail import audit_trail
from dcis_node.operate.process import running_process
from dcis_node.operate.sources import source_of
from dcis_node.retrieve.running import run_retriever


def run_retrieve(configuration: Configuration, name: str, *, lifeline: int | None) -> None:
    """Be the retriever.

    Raises
    ------
    ConfigurationError
        A certificate of a source cannot be used.
    """
    sources = [source_of(configuration, source) for source in configuration.retrieve.sources]
    with (
        running_process(configuration, name, lifeline=lifeline) as process,
        audit_trail(configuration, name, is_node=lifeline is None) as trail,
    ):
        run_retriever(
            db=process.db,
            sources=sources,
            settings=configuration.retrieve,
            merge_same_day=configuration.exam.merge_same_day,
            owner=process.owner,
            stop=process.stop,
            beat=process.beat,
            notify=trail.tell,
        )
