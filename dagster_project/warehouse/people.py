"""Who is one person: identifiers seen together, joined strongest and oldest first. What SQL cannot do well.

Union-find over evidence (a CRM record, a form submission, a visit, a login, a purchase) and the ids that it
carries. An e-mail names a person, the phone where there is no e-mail, then the id with which they log in;
orders, clicks and browsers only bring together what these leave open: a link that would make one person of two
names is refused, not followed. Links are tried in the order of
strength, then time, then text: rows in another order give the same people; of two links equally strong the
one that came first stands.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# An id kind that is not named here is a click id, which belongs to one click and so to one browser.
STRENGTHS = {"email": 0, "phone": 1, "user_id": 2, "order_id": 3, "client_id": 5}
_CLICK = 4
_EMAIL, _PHONE, _LOGIN = STRENGTHS["email"], STRENGTHS["phone"], STRENGTHS["user_id"]
_NO_RECORD = np.iinfo(np.int64).max

RESULT = pa.schema(
    [
        *((name, pa.string()) for name in ("evidence", "id_kind", "id_value", "evidence_root", "id_root")),
        ("is_link", pa.bool_()),
        ("linked_by_kind", pa.string()),
        ("linked_by_value", pa.string()),
    ]
)


def join_people(evidence: pa.Table) -> pa.Table:
    """Groups of evidence and ids that are one person each.

    `evidence`: one row per evidence x id: evidence, id_kind, id_value (text), seen_at (moment of the link),
    evidence_at (moment of the evidence), record_rank (place of the CRM in crm.truth; null unless a record).

    Returns the rows with: evidence_root and id_root, the evidence after which the group is called (the oldest
    CRM record of the first CRM, else the oldest evidence); is_link, whether the two are one group (false =
    refused); linked_by_kind and linked_by_value, the id that ties the evidence to its group, null for a root.
    """
    if not len(evidence):
        return RESULT.empty_table()
    names, of_evidence = _codes(evidence["evidence"])
    id_texts = pc.binary_join_element_wise(evidence["id_kind"], evidence["id_value"], "\x1f")
    ids, of_id = _codes(id_texts)
    strength = _strengths(evidence["id_kind"])
    moments = _microseconds(evidence["seen_at"])
    groups = _Groups(len(names), len(ids))
    groups.name({name: of_evidence[strength == name] for name in (_EMAIL, _PHONE, _LOGIN)})

    # most ids are seen once and join nothing: only the others need the walk
    is_shared = np.bincount(of_id, minlength=len(ids))[of_id] > 1
    shared = np.flatnonzero(is_shared)
    in_order = shared[np.lexsort((of_id[shared], of_evidence[shared], moments[shared], strength[shared]))]
    tree = in_order[groups.join(of_evidence[in_order], of_id[in_order], strength[in_order])]

    component = groups.components()
    component[len(names) + of_id[~is_shared]] = component[of_evidence[~is_shared]]
    root_of = _roots(component, of_evidence, evidence)
    tied_by = _ties(root_of, tree, of_evidence, of_id, len(names))

    evidence_root = root_of[component[of_evidence]]
    id_root = root_of[component[len(names) + of_id]]
    tie = pa.array(tied_by[of_evidence], mask=tied_by[of_evidence] < 0)
    columns = [
        *(evidence[name] for name in ("evidence", "id_kind", "id_value")),
        names.take(pa.array(evidence_root)),
        names.take(pa.array(id_root)),
        pa.array(evidence_root == id_root),
        evidence["id_kind"].take(tie),
        evidence["id_value"].take(tie),
    ]
    return pa.table(columns, schema=RESULT)


def _codes(texts: pa.ChunkedArray) -> tuple[pa.Array, np.ndarray]:
    """Distinct texts in order, and each row's place among them."""
    encoded = texts.combine_chunks().dictionary_encode()
    order = pc.sort_indices(encoded.dictionary).to_numpy()
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return encoded.dictionary.take(pa.array(order)), place[encoded.indices.to_numpy()]


def _strengths(kinds: pa.ChunkedArray) -> np.ndarray:
    encoded = kinds.combine_chunks().dictionary_encode()
    of_kind = np.array([STRENGTHS.get(kind, _CLICK) for kind in encoded.dictionary.to_pylist()])
    return of_kind[encoded.indices.to_numpy()]


def _microseconds(moments: pa.ChunkedArray) -> np.ndarray:
    return moments.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()


def _roots(component: np.ndarray, of_evidence: np.ndarray, evidence: pa.Table) -> np.ndarray:
    """Per component: the evidence that it is called after."""
    ranks = pc.fill_null(evidence["record_rank"].cast(pa.int64()), _NO_RECORD).to_numpy()
    at = _microseconds(evidence["evidence_at"])
    order = np.lexsort((of_evidence, at, ranks))
    components, first = np.unique(component[of_evidence[order]], return_index=True)
    root_of = np.full(len(component), -1, dtype=np.int64)
    root_of[components] = of_evidence[order[first]]
    return root_of


def _ties(
    root_of: np.ndarray, tree: np.ndarray, of_evidence: np.ndarray, of_id: np.ndarray, evidences: int
) -> np.ndarray:
    """Per evidence: the row of the id that ties it to its root, along the accepted links; -1 for roots."""
    tail, head = of_evidence[tree], evidences + of_id[tree]
    nodes, row = np.concatenate([tail, head]), np.concatenate([tree, tree])
    others = np.concatenate([head, tail])
    order = np.argsort(nodes, kind="stable")
    nodes, others, row = nodes[order], others[order], row[order]
    came_by = np.full(len(root_of), -1, dtype=np.int64)
    is_seen = np.zeros(len(root_of), dtype=bool)
    is_seen[root_of[root_of >= 0]] = True
    frontier = np.flatnonzero(is_seen)
    while len(frontier):
        start, end = np.searchsorted(nodes, frontier), np.searchsorted(nodes, frontier, side="right")
        lengths = end - start
        # the places of all neighbours: from start to end of each, one after the other
        steps = np.repeat(end - np.cumsum(lengths), lengths) + np.arange(lengths.sum())
        steps = steps[~is_seen[others[steps]]]  # a tree: nobody is reached twice
        frontier = others[steps]
        is_seen[frontier] = True
        came_by[frontier] = row[steps]
    return came_by[:evidences]


class _Groups:
    """Union-find over `evidences` + `ids` nodes; a group knows whether an e-mail, a phone or a login names it."""

    def __init__(self, evidences: int, ids: int) -> None:
        self._evidences = evidences
        self._parent = list(range(evidences + ids))
        # bit n: named by an id of strength n
        self._names = bytearray(evidences + ids)

    def name(self, nodes_by_strength: dict[int, np.ndarray]) -> None:
        for strength, nodes in nodes_by_strength.items():
            for node in nodes.tolist():
                self._names[node] |= 1 << strength

    def join(self, evidence: np.ndarray, ids: np.ndarray, strengths: np.ndarray) -> np.ndarray:
        """Try the links in the order given; returns, per link, whether it brought two groups together."""
        joined = np.zeros(len(evidence), dtype=bool)
        names, parent, find = self._names, self._parent, self._find
        links = zip(evidence.tolist(), (ids + self._evidences).tolist(), strengths.tolist(), strict=True)
        for number, (left, right, strength) in enumerate(links):
            one, other = find(left), find(right)
            if one == other:
                continue
            # two names of one kind that a weaker link would join are two people
            if names[one] & names[other] & ((1 << strength) - 1):
                continue
            parent[other] = one
            names[one] |= names[other]
            joined[number] = True
        return joined

    def components(self) -> np.ndarray:
        """Per node: the node that stands for its group."""
        parent = np.array(self._parent, dtype=np.int64)
        while not np.array_equal(above := parent[parent], parent):
            parent = above
        return parent

    def _find(self, node: int) -> int:
        parent = self._parent
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node
