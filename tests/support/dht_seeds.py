"""Seeds of node keys that solve the puzzle, so that no test has to look for one: a second of one core each. (SCP-05 §1.7a)"""

from __future__ import annotations

from pathlib import Path

from swarmchat.discovery.dht import state

SEEDS = tuple(
    bytes.fromhex(text)
    for text in (
        "07f14f9a79fd8c38f3128e9322f8d94d2995b86525623bf17e5495af3bf9cd2c",
        "9ee507bd82fcb9fd68b44448053dad676b6e7159a077dfd649895de900da383b",
        "3346a0c6887648ff971a79145f164950fb72d08f3a56f233bb93083267a112b9",
        "ac63be53363ed45846eb75305eed29dfdac4314df4124721cc78de20e1ee0633",
        "9af046671512b77203f6bbe782ca23e77971834e76e59ec64bc74e0c2c912606",
        "87d7cdbb8dbae8a80bb2d5e3713b228c29a87108cb8eb217f2d2ea56178badec",
    )
)


def keep(folder: Path, number: int) -> None:
    """Have the node of this folder find its key there, as after an earlier start."""
    folder.mkdir(parents=True, exist_ok=True)
    state.save(folder / "dht.json", state.State(SEEDS[number]))
