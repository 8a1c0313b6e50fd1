"""The verbs of the settings file: looking at `config.toml`, and changing it without touching what else stands in it. (SCP-08 §1.4)"""

from __future__ import annotations

import threading
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from swarmchat import disk
from swarmchat.errors import SettingsError, UsageError, UserError
from swarmchat.node import config as configs
from swarmchat.node.config import Config, Setting
from swarmchat.node.verbs import JsonObject, Verbs

_TURN: Final = threading.Lock()  # two changes at once must not lose one


class SettingsFile:
    """One `config.toml`, and what a running daemon has of it. Blocking: offload. Every error leaves the file as it was."""

    def __init__(self, path: Path, running: Config | None = None) -> None:
        self._path = path
        self._running = running

    def call(self, method: str, arguments: Mapping[str, Any]) -> JsonObject:
        """Do one method of the API named `config.…`."""
        done: JsonObject = getattr(self, method.removeprefix("config."))(**arguments)
        return done

    def show(self) -> JsonObject:
        """All settings; SettingsError when the file is wrong."""
        table = configs.read(self._path)
        configs.parse(table, str(self._path))
        given = dict(configs.flat(table))
        return {"path": str(self._path), "settings": [self._row(one, given) for one in configs.SETTINGS.values()]}

    def get(self, key: str) -> JsonObject:
        """One setting; NotFoundError for a key that there is not, SettingsError when its value is wrong."""
        return self._row(configs.find(key), dict(configs.flat(configs.read(self._path))))

    def set(self, key: str, values: list[str]) -> JsonObject:
        """Write one setting; UsageError when the value is wrong. What else is wrong in the file does not hinder it."""
        setting = configs.find(key)
        value = _value(setting, values)
        with _TURN:
            self._change(key, value)
        return self.get(key)

    def unset(self, key: str) -> JsonObject:
        """Take a key out of the file, one that there is not too; NotFoundError when it is neither known nor there."""
        with _TURN:
            given = dict(configs.flat(configs.read(self._path)))
            if key not in given:
                configs.find(key)
            else:
                self._change(key, None)
        if key not in configs.SETTINGS:
            return {"key": key, "value": None, "default": None, "set": False, "summary": "", "restart": False}
        return self.get(key)

    def path(self) -> JsonObject:
        """Where the file lies, whether it is there or not."""
        return {"path": str(self._path), "exists": self._path.exists()}

    def schema(self) -> JsonObject:
        """The JSON Schema of the file."""
        return configs.json_schema()

    def _row(self, setting: Setting, given: Mapping[str, Any]) -> JsonObject:
        value, is_set = setting.default, setting.key in given
        if is_set:
            try:
                value = configs.plain(setting.read(given[setting.key]))
            except ValueError as fault:
                raise SettingsError(
                    f"{self._path}: {setting.key}: {fault}", hint=f"swarmchat config set {setting.key} VALUE"
                ) from None
        row = {"key": setting.key, "value": value, "default": setting.default, "set": is_set}
        row |= {"summary": setting.summary, "restart": False}
        if self._running is not None:
            running = configs.plain(getattr(self._running, setting.field))
            row |= {"running": running, "restart": running != value}
        return row

    def _change(self, key: str, value: Any) -> None:
        """Set a key, or take it out with None; whatever else is in the file stays, to the character."""
        old, text = configs.read_both(self._path)
        new = edited(text, key, value)
        wanted = {name: one for name, one in configs.flat(old) if name != key} | ({} if value is None else {key: value})
        found = configs.flat(tomllib.loads(new))
        if dict(found) != wanted or len(found) != len(wanted):
            raise UserError(
                f"{self._path} is written in a way in which {key} cannot be changed by program",
                hint="edit it by hand; swarmchat doctor says whether it is right",
            )
        try:
            place = self._path.resolve()  # a link, say into a folder under version control, stays
        except OSError as fault:
            raise disk.refusal(fault, self._path, "find") from fault
        disk.write_whole(place, new.encode())


def edited(text: str, key: str, value: Any) -> str:
    """The TOML text with a dotted key set, or taken out with None; comments, order and line ends stay."""
    import tomlkit  # noqa: PLC0415 - only who changes a setting needs it
    from tomlkit.container import OutOfOrderTableProxy  # noqa: PLC0415
    from tomlkit.exceptions import TOMLKitError  # noqa: PLC0415
    from tomlkit.items import InlineTable, Table  # noqa: PLC0415

    folders = (Table, InlineTable, OutOfOrderTableProxy)
    try:
        document: Any = tomlkit.parse(text)
        *names, last = key.split(".")
        place = document
        if value is None and key in document:  # an unknown key may have dots of its own
            del document[key]
            return tomlkit.dumps(document)
        for name in names:
            if name not in place:
                if value is None:
                    return text
                place[name] = tomlkit.table()
            place = place[name]
            if not isinstance(place, folders):
                return text
        if value is not None:
            place[last] = value
        elif last in place:
            del place[last]
        return tomlkit.dumps(document)
    except TOMLKitError as fault:
        raise UserError(f"the settings cannot be changed by program: {fault}", hint="edit them by hand") from None


def _value(setting: Setting, texts: list[str]) -> Any:
    """What stands for these words in the file; UsageError when it would be refused there."""
    if not setting.takes_list and len(texts) != 1:
        raise UsageError(f"{setting.key}: one value is wanted", data={"key": setting.key})
    try:
        value = configs.plain(setting.read(texts if setting.takes_list else _read(setting, texts[0])))
    except ValueError as fault:
        raise UsageError(f"{setting.key}: {fault}", data={"key": setting.key}) from None
    return value


def _read(setting: Setting, text: str) -> Any:
    match setting.schema["type"]:
        case "boolean":
            return {"true": True, "false": False}.get(text.lower(), text)
        case "integer":
            return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text
        case _:
            return text


class SettingsVerbs(Verbs):
    """The same as verbs of a node, which knows what it was started with."""

    async def config_show(self) -> JsonObject:
        """All settings."""
        return await self._settings("config.show", {})

    async def config_get(self, *, key: str) -> JsonObject:
        """One setting."""
        return await self._settings("config.get", {"key": key})

    async def config_set(self, *, key: str, values: list[str]) -> JsonObject:
        """Write one setting into the file; `restart` says whether this daemon has another value."""
        return await self._settings("config.set", {"key": key, "values": values})

    async def config_unset(self, *, key: str) -> JsonObject:
        """Take one setting out of the file."""
        return await self._settings("config.unset", {"key": key})

    async def config_path(self) -> JsonObject:
        """Where the file lies."""
        return await self._settings("config.path", {})

    async def config_schema(self) -> JsonObject:
        """The JSON Schema of the file."""
        return await self._settings("config.schema", {})

    async def _settings(self, method: str, arguments: JsonObject) -> JsonObject:
        settings = SettingsFile(self._node.home.config_file, self._node.config)
        return await self._node.runtime.offload(settings.call, method, arguments)
