"""What this node stands for in the DHT: its card, its revocation list, the conversations it has. (SCP-05 §1.4, §1.10)"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from swarmchat.crypto.padding import PAYLOAD_BYTES_MAX
from swarmchat.crypto.veil import NONCE_BYTES, veil
from swarmchat.discovery.blinding import Purpose, blinded_key, writing
from swarmchat.discovery.directory import Directory, Entry
from swarmchat.ids import ConversationId
from swarmchat.limits import DHT_CARD_BITS, DHT_SALT_BYTES_MAX, DHT_WORK_BITS
from swarmchat.swarm.own_cards import OwnCards
from swarmchat.swarm.parts import Audience, Parts

_log = logging.getLogger(__name__)


class Announcer:
    """Tells the directory what to put again and again; `tell` whenever something may have changed."""

    def __init__(self, parts: Parts, own: OwnCards, directory: Directory) -> None:
        self._parts = parts
        self._own = own
        self._directory = directory
        self._told: dict[str, object] = {}  # by name, what it says, as far as a change is to be told at once

    def tell(self, hosted: Iterable[ConversationId]) -> None:
        """Put our card, our revocation list, and that we have these conversations; what is not among them fades."""
        mine = self._parts.account
        wanted: dict[str, tuple[object, Callable[[float], Entry | None]]] = {
            "card": (self._gist(), lambda now: self._veiled(Purpose.PRESENCE, mine.id, self._card(), now))
        }
        if mine.revocations is not None:
            der = mine.revocations.der
            if len(der) <= PAYLOAD_BYTES_MAX:
                wanted["crl"] = (der, lambda now: self._veiled(Purpose.CRL, mine.id, der, now))
            elif "crl" not in self._told:
                _log.warning("our revocation list is too large for the DHT: only conversations tell of it")
        for each in sorted(hosted):
            wanted[f"hosts {each}"] = (
                None,
                lambda now, each=each: self._veiled(Purpose.HOSTS, each, self._card(), now),  # type: ignore[misc]
            )
        for name in sorted(self._told.keys() - wanted.keys()):
            del self._told[name]
            self._directory.withdraw(name)
        for name, (gist, make) in wanted.items():
            if name not in self._told or self._told[name] != gist:
                self._told[name] = gist
                self._directory.publish(name, make)

    def close(self) -> None:
        """Put nothing any more."""
        for name in sorted(self._told):
            self._directory.withdraw(name)
        self._told.clear()

    def _card(self) -> bytes:
        """It says where we are only if everybody may know. (SCP-05 §1.12)"""
        own = self._own.now()
        return own.full if self._parts.settings.addresses is Audience.ALL else own.plain

    def _gist(self) -> object:
        where = self._own.now().where if self._parts.settings.addresses is Audience.ALL else ()
        return where, self._parts.account.sealing.public

    def _veiled(self, purpose: Purpose, name: str, payload: bytes, now: float) -> Entry:
        number, id_bytes = writing(now), bytes.fromhex(name)
        key = blinded_key(purpose, id_bytes, number)
        data = veil(
            payload,
            id_bytes,
            purpose=purpose,
            bucket=number,
            key=key,
            nonce=self._parts.runtime.entropy(NONCE_BYTES),
        )
        salt = bytes.fromhex(self._parts.account.device)[:DHT_SALT_BYTES_MAX]
        return Entry(key, salt, data, bits=DHT_CARD_BITS if purpose is Purpose.PRESENCE else DHT_WORK_BITS)
