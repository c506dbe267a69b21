"""The doors of the running fusion service: `serve` a sector, `record` what its devices send."""

import threading
from pathlib import Path

from edge.messages import FUSION, FusionStatus, RefusedError, Topic, encode
from fusion.evidence import EvidenceFolder
from fusion.journal import Journal, Recorded, recording_line
from fusion.link import Link, field_topics, is_ours
from fusion.reception import BATCH, Clock
from fusion.sector import Sector
from fusion.service import EVIDENCE_KEEP_S, HISTORY_KEEP_S, TICK_S, Service
from fusion.snapshot_folder import SnapshotFolder
from fusion.snapshotter import EVERY_S, Snapshotter
from fusion.store import Store


def serve(  # noqa: PLR0913 - what a service is wired to
    sector: Sector,
    *,
    broker_url: str,
    store_url: str,
    journal_dir: Path,
    clock: Clock,
    stop: threading.Event,
    snapshot_every_s: float = EVERY_S,
    journal_keep_s: float | None = None,
    history_keep_s: float = HISTORY_KEEP_S,
    evidence_dir: Path | None = None,
    evidence_keep_s: float = EVIDENCE_KEEP_S,
) -> None:
    """Run the service of one sector until `stop`.

    A broker that is away is waited for; so is, once running, a store or disk that refuses. Of the
    journal, what is older than `journal_keep_s` is removed; None: nothing is. Crops go to
    `evidence_dir`, by default `evidence` beside the journal.

    Raises:
        RefusedError: The broker's address is none, the store cannot be opened, or the journal
            cannot be written or belongs to another process or sector.
    """
    status = Topic(sector.id, FUSION, "status")
    farewell = FusionStatus(v=1, sector=sector.id, online=False)
    link = Link(
        broker_url,
        topics=field_topics(sector.id),
        session=f"tuanbien-fusion-{sector.id}",
        will=(str(status), encode(farewell)),
    )
    journal = Journal.open(journal_dir, sector=sector.id)
    try:
        store = Store.open(store_url, migrate=True)
        try:
            Service(
                sector,
                link=link,
                journal=journal,
                store=store,
                clock=clock,
                stop=stop,
                snapshots=Snapshotter(
                    SnapshotFolder(journal_dir, sector), every_s=snapshot_every_s
                ),
                journal_keep_s=journal_keep_s,
                history_keep_s=history_keep_s,
                evidence=EvidenceFolder(
                    evidence_dir or journal_dir.with_name("evidence"), sector.id
                ),
                evidence_keep_s=evidence_keep_s,
            ).run()
        finally:
            store.close()
    finally:
        journal.close()


def record(
    broker_url: str, sector_id: str, out_path: Path, clock: Clock, stop: threading.Event
) -> int:
    """Write what devices send, as a recording for replay, until `stop`; return how many messages.

    Malformed messages are written too: a recording shows what came in.

    Raises:
        RefusedError: The address is none of a broker, or the file exists or cannot be written.
    """
    link = Link(broker_url, topics=field_topics(sector_id), session=None)
    try:
        file = out_path.open("xb")
    except OSError as error:
        msg = f"cannot begin the recording {out_path}: {error.strerror}"
        raise RefusedError(msg) from error
    count = 0
    link.start()
    try:
        with file:
            while not stop.is_set():
                for delivery in link.receive(at_most=BATCH, within_s=TICK_S):
                    link.acknowledge(delivery)
                    if not is_ours(delivery.topic):
                        line = Recorded(clock(), delivery.topic, delivery.payload)
                        file.write(recording_line(line))
                        count += 1
                file.flush()
    except OSError as error:
        msg = f"cannot write the recording {out_path}: {error.strerror}"
        raise RefusedError(msg) from error
    finally:
        link.stop()
    return count
