"""The account and its state on disk: whole or not at all, keys sealed where a password is set. (SCP-01 §4.3, SCP-08 §1.2)"""

from __future__ import annotations

import base64
import binascii
import contextlib
from dataclasses import dataclass
from pathlib import Path

from swarmchat import disk, limits
from swarmchat.account import strict
from swarmchat.account.account import Account, Entropy, SealingKeys
from swarmchat.account.home import Home
from swarmchat.account.state import State
from swarmchat.account.statefile import state_from_json, state_to_json
from swarmchat.account.statuskey import StatusKey
from swarmchat.account.strict import Fields
from swarmchat.crypto.certificates import Certificate
from swarmchat.crypto.keys import PrivateKey
from swarmchat.crypto.revocation import RevocationList, device_prefix
from swarmchat.crypto.sealing import SealError, SealFault, open_archive, seal_archive
from swarmchat.errors import NotFoundError, PasswordNeededError, StorageError, UserError
from swarmchat.ids import AccountId, DeviceId

_VERSION = 2
_SECRETS = {1: ("device_key", "account_key", "sealing"), 2: ("device_key", "account_key", "sealing", "status_key")}
_KEYS = ("version", "name", "certificate", "device_certificate", "revocations", "secrets", "sealed")


@dataclass(frozen=True, slots=True)
class Identity:
    """What can be read without the password."""

    id: AccountId
    device: DeviceId
    name: str
    sealed: bool
    revoked: bool  # by its own account


class AccountStore:
    """The files `account.json` and `state.json` of one home, which must be prepared; writers hold its lock.

    Remembers the password it was opened with, so that later saves seal with it. Sealing takes 64 MiB and a fifth of a
    second: offload `load`, `save` and `set_password`.
    """

    def __init__(self, home: Home, entropy: Entropy) -> None:
        self._account_file = home.data / "account.json"
        self._state_file = home.data / "state.json"
        self._entropy = entropy
        self._password: str | None = None

    def exists(self) -> bool:
        """Whether there is an account, readable or not."""
        try:
            return self._account_file.exists()
        except OSError as error:
            raise disk.refusal(error, self._account_file, "look for") from error

    def identity(self) -> Identity:
        """Who this is, without the password; NotFoundError, StorageError."""
        document = self._read()
        device, listed = document.device.device_id, document.revocations
        revoked = listed is not None and device_prefix(device) in listed.revoked
        return Identity(document.certificate.account_id, device, document.name, document.sealed is not None, revoked)

    def load(self, password: str | None = None) -> Account:
        """The account; NotFoundError, PasswordNeededError (none or a wrong one given), StorageError (damaged)."""
        document = self._read()
        if document.sealed is None:
            return self._account(document, document.secrets)
        if not password:
            raise PasswordNeededError(
                "the account is sealed with a password",
                hint="give it at the prompt, or in the environment variable SWARMCHAT_PASSPHRASE",
            )
        try:
            secrets = strict.decode(open_archive(document.sealed, password))
        except SealError as error:
            if error.code is SealFault.WRONG_PASSWORD:
                raise PasswordNeededError("the password is wrong") from None
            raise self._damaged(self._account_file, error) from None
        except ValueError as error:
            raise self._damaged(self._account_file, error) from None
        account = self._account(document, secrets)
        self._password = password
        return account

    def create(self, account: Account, state: State, password: str | None = None) -> None:
        """Install a new, imported or linked account; UserError if there is one already, StorageError, and then nothing of it stays.

        The account file comes last.
        """
        if self.exists():
            raise UserError(
                "there is an account here already",
                hint="use another home for another account: --home DIR",
            )
        self._password = password or None
        try:
            self.save_state(state)
            self.save(account)
        except (StorageError, UserError):
            with contextlib.suppress(OSError):  # a disk that fails in this too has said enough
                self._state_file.unlink(missing_ok=True)
            raise

    def save(self, account: Account) -> None:
        """Write the account, sealed if it was loaded with a password; StorageError, and then the old file stands."""
        disk.write_whole(self._account_file, strict.encode(self._document(account, self._password)))

    def set_password(self, account: Account, password: str | None) -> None:
        """Seal the keys with another password, or (None) leave them plain; StorageError, and then the old one holds."""
        disk.write_whole(self._account_file, strict.encode(self._document(account, password or None)))
        self._password = password or None

    def load_state(self) -> State:
        """The state, empty before the first save; StorageError naming the file when it is damaged."""
        data = disk.read_bounded(self._state_file, limits.STATE_FILE_BYTES_MAX)
        if data is None:
            return State()
        try:
            return state_from_json(strict.decode(data))
        except ValueError as error:
            fault = self._damaged(self._state_file, error)
            fault.hint = "put back a copy of the file, or begin it anew with what the conversations say: swarmchat doctor --repair"
            raise fault from None

    def put_state_aside(self) -> Path:
        """Move a damaged state out of the way and give its new place: the next load finds none. StorageError."""
        number = 1
        while (place := self._state_file.with_name(f"{self._state_file.name}.damaged-{number}")).exists():
            number += 1
        try:
            self._state_file.replace(place)
            disk.sync_directory(place.parent)
        except OSError as error:
            raise disk.refusal(error, self._state_file, "move") from error
        return place

    def save_state(self, state: State) -> None:
        """Write the state; StorageError, and then the old file stands."""
        document = state_to_json(state)
        state_from_json(document)  # what the next start would refuse must not replace a file that it accepts
        disk.write_whole(self._state_file, strict.encode(document))

    def _read(self) -> _Document:
        data = disk.read_bounded(self._account_file, limits.ACCOUNT_FILE_BYTES_MAX)
        if data is None:
            raise NotFoundError(
                "there is no account here yet",
                hint="make one: swarmchat account create --name NAME; or become a device of one: swarmchat link",
            )
        try:
            return _Document(strict.decode(data))
        except ValueError as error:
            raise self._damaged(self._account_file, error) from None

    def _account(self, document: _Document, secrets: object) -> Account:
        try:
            fields = Fields(secrets, "secrets", _SECRETS[document.version])
            sealing = Fields(fields.value("sealing"), "sealing", ("current", "previous", "made_s"))
            return Account(
                name=document.name,
                certificate=document.certificate,
                device_certificate=document.device,
                device_key=fields.parsed("device_key", read_key),
                account_key=fields.optional("account_key", read_key),
                sealing=SealingKeys(
                    current=sealing.parsed("current", _read_seed),
                    previous=sealing.optional("previous", _read_seed),
                    made_s=sealing.number("made_s"),
                ),
                revocations=document.revocations,
                status_key=read_status_key(fields, "secrets") if document.version > 1 else None,
            )
        except ValueError as error:
            raise self._damaged(self._account_file, error) from None

    def _document(self, account: Account, password: str | None) -> dict[str, object]:
        secrets = {
            "device_key": to_base64(account.device_key.seed),
            "account_key": to_base64(account.account_key.seed) if account.account_key else None,
            "sealing": {
                "current": to_base64(account.sealing.current),
                "previous": to_base64(account.sealing.previous) if account.sealing.previous else None,
                "made_s": account.sealing.made_s,
            },
            "status_key": status_key_to_json(account.status_key),
        }
        sealed = None
        if password is not None:
            try:
                sealed = seal_archive(strict.encode(secrets), password, salt=self._entropy(16), nonce=self._entropy(12))
            except ValueError as error:
                raise UserError(str(error)) from None
        return {
            "version": _VERSION,
            "name": account.name,
            "certificate": account.certificate.pem.decode("ascii"),
            "device_certificate": account.device_certificate.pem.decode("ascii"),
            "revocations": to_base64(account.revocations.der) if account.revocations else None,
            "secrets": secrets if sealed is None else None,
            "sealed": None if sealed is None else to_base64(sealed),
        }

    def _damaged(self, path: Path, error: ValueError) -> StorageError:
        return StorageError(
            f"{path} is damaged: {error}",
            hint="nothing was changed; put back a copy of the file, or import the archive of the account into a new home",
            data={"path": str(path)},
        )


class _Document:
    """The parsed account file, secrets not looked at."""

    def __init__(self, document: object) -> None:
        fields = Fields(document, "account", _KEYS)
        self.version = fields.number("version")
        if self.version not in _SECRETS:
            raise ValueError(f"version {self.version} is not known here")
        self.name = fields.text("name", limits.DISPLAY_NAME_CHARS_MAX)
        self.certificate = fields.parsed("certificate", read_certificate, limits.CERTIFICATE_BYTES_MAX)
        self.device = fields.parsed("device_certificate", read_certificate, limits.CERTIFICATE_BYTES_MAX)
        self.revocations = fields.optional(
            "revocations",
            lambda text: RevocationList.from_der(from_base64(text), self.certificate),
            limits.REVOCATION_LIST_BYTES_MAX * 2,
        )
        self.secrets = fields.value("secrets")
        self.sealed = fields.optional("sealed", from_base64, limits.ACCOUNT_FILE_BYTES_MAX)
        if (self.sealed is None) == (self.secrets is None):
            raise ValueError("the keys are missing, or there twice")


def to_base64(data: bytes) -> str:
    """Bytes as they stand in JSON."""
    return base64.b64encode(data).decode("ascii")


def from_base64(text: str) -> bytes:
    """Back again; ValueError for any other spelling."""
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from None
    if to_base64(data) != text:
        raise ValueError("not base64: another spelling")
    return data


def read_key(text: str) -> PrivateKey:
    """A private key from its seed in base64, else ValueError."""
    return PrivateKey.from_seed(_read_seed(text))


def status_key_to_json(key: StatusKey | None) -> dict[str, object] | None:
    """The account's key with Status as it stands among secrets."""
    return None if key is None else {"generation": key.generation, "secret": to_base64(key.secret)}


def read_status_key(fields: Fields, where: str) -> StatusKey | None:
    """Back again, from the field `status_key` of an object that errors call `where`; ValueError."""
    value = fields.value("status_key")
    if value is None:
        return None
    inner = Fields(value, f"{where}.status_key", ("generation", "secret"))
    generation, secret = inner.number("generation"), inner.parsed("secret", _read_seed)
    try:
        return StatusKey(generation, secret)
    except ValueError as error:
        raise fields.wrong("status_key", str(error)) from None


def read_certificate(text: str) -> Certificate:
    """A certificate from PEM text, else ValueError."""
    return Certificate.from_pem(text.encode())


def _read_seed(text: str) -> bytes:
    seed = from_base64(text)
    if len(seed) != 32:
        raise ValueError("a key has 32 bytes")
    return seed
