"""Run by the crash tests as a process of its own: writes until it is killed, and says what was acknowledged."""

from __future__ import annotations

import sys
from pathlib import Path

from catalog.backends.sqlite import SqliteRepository
from catalog.model import Commit, Durability, Erase, Note, Put
from ontology.identifiers import new_iri
from ontology.namespaces import DERIVED_FROM, PART_OF


def main(directory: str, most: int) -> None:
    repository = SqliteRepository.open(Path(directory))
    print("ready", flush=True)
    before = None
    for turn in range(most):
        group, kind = new_iri(), turn % 5
        if kind == 4 and before is not None:
            changes = [Erase(id=before, document={"label": "erased"})]
            iri = before
        else:
            iri = new_iri()
            edges = [] if before is None or kind == 0 else [(DERIVED_FROM, before)]
            files = [{"id": new_iri(), "path": f"{n}.nii", "sha256": None, "size": n} for n in range(kind)]
            document = {"label": str(turn), "dataset": group, "files": files}
            parts = [new_iri() for _ in range(kind * 2)]
            changes = [
                Put(id=iri, type="Entity", document=document, edges=edges, aliases=[f"a:{iri}"]),
                *(Put(id=part, type="Part", document={"dataset": group}, edges=[(PART_OF, iri)]) for part in parts),
                Note(subject=iri, body={"turn": turn}),
            ]
            before = iri if kind else before
        durability = Durability.PROCESS if turn % 7 == 3 else Durability.FULL
        done = repository.commit(
            Commit(principal="urn:writer", action="crash.write", changes=changes, durability=durability)
        )
        print(done.first, done.last, iri, done.versions[iri], group, flush=True)
    repository.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
