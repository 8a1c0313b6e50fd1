"""Every bound, named with its unit and its reason. The spec prints the same table. (SCP-02 §10, SCP-03, SCP-04)"""

from __future__ import annotations

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * 1024

# --- a commit (SCP-02 §2, §10)
MESSAGE_BYTES_MAX: Final = MIB  # a whole commit message; above it a chat message is a file
BODY_BYTES_MAX: Final = 64 * KIB  # the text of one message, UTF-8
COMMIT_BYTES_MAX: Final = MESSAGE_BYTES_MAX + 64 * KIB  # the message and its headers (32 parents, signature)
JSON_DEPTH_MAX: Final = 8  # deeper JSON is nobody's message
DISPLAY_NAME_CHARS_MAX: Final = 128
PROFILE_BYTES_MAX: Final = 256 * KIB  # profile.vcf with its picture
CERTIFICATE_BYTES_MAX: Final = 16 * KIB
REVOCATION_LIST_BYTES_MAX: Final = 64 * KIB
TITLE_CHARS_MAX: Final = 128
DESCRIPTION_CHARS_MAX: Final = 512

# --- a group (SCP-02 §10); bind single-parent commits only
JOINED_MAX: Final = 5_000
INVITED_MAX: Final = 5_000
DEVICES_PER_ACCOUNT_MAX: Final = 16
TREE_ENTRIES_MAX: Final = 100_000  # sanity of the scanner, no rule of the law

# --- merging (SCP-02 §6)
MERGE_PARENTS_MAX: Final = 32
MERGED_HEADS_MAX: Final = 1_024  # main merges the first 1,024 by id; the rest join with the next ordinary commit
OLD_FORK_CONTROL_COMMITS: Final = 100  # an older fork is merged into main only with the user's consent (6.4 g)

# --- time (SCP-02 §2.3, §4.2)
FUTURE_TOLERANCE_S: Final = 300  # further ahead is shown with a mark
DEVICE_CLOCK_BACK_S: Final = 300  # how far one device's own clock may run backwards

# --- certificates (SCP-01 §1)
ACCOUNT_VALIDITY_S: Final = 20 * 365 * 86_400
DEVICE_VALIDITY_S: Final = 10 * 365 * 86_400
NOT_BEFORE_SLACK_S: Final = 86_400  # so that a clock running ahead excludes nobody (SCP-01 §1.7)
REVOCATION_NUMBER_MAX: Final = 2**63 - 1  # numbers grow by one; this fits every integer that a list may travel in

# --- repositories that Jami made (SCP-02 §9.17); read only, so the bounds are about what reading may cost
JAMI_COMMITS_MAX: Final = 250_000
JAMI_OBJECTS_MAX: Final = 1_000_000
JAMI_MERGE_STEPS_MAX: Final = 5_000_000  # commits passed in search of what the sides of all merges have in common
JAMI_BYTES_MAX: Final = 1024 * MIB  # of all objects, inflated; RSA signatures make a commit 1.2 kB
JAMI_BLOB_BYTES_MAX: Final = MIB  # the profile with its picture; all other files are certificates, or empty
JAMI_NAME_BYTES_MAX: Final = 512  # of a display name in a commit
JAMI_RSA_BITS_MIN: Final = 2_048
JAMI_RSA_BITS_MAX: Final = 8_192  # a check costs the square of it; real keys have 4,096
JAMI_CHAIN_MAX: Final = 4  # certificates in one file; real ones have one or two
JAMI_BUNDLE_BYTES_MAX: Final = 256 * MIB
JAMI_BUNDLE_INFLATED_BYTES_MAX: Final = 512 * MIB  # its objects are held in memory
JAMI_BUNDLE_HEADER_BYTES_MAX: Final = 64 * KIB
JAMI_DELTA_DEPTH_MAX: Final = 256  # git itself makes chains of 50
JAMI_SUMMARY_BYTES_MAX: Final = 16 * KIB  # our own note about an archived conversation, beside its objects

# --- the archive (SCP-01 §4.2); a reader refuses more before deriving
ARCHIVE_BYTES_MAX: Final = 64 * MIB
ARGON2_TIME: Final = 3
ARGON2_MEMORY_KIB: Final = 65_536
ARGON2_LANES: Final = 4
ARGON2_TIME_MAX: Final = 10
ARGON2_MEMORY_KIB_MAX: Final = 1_048_576
ARGON2_LANES_MAX: Final = 16

# --- packs and admission (SCP-02 §10, SCP-04 §3–§4)
BATCH_COMMITS_MAX: Final = 250_000
BATCH_OBJECTS_MAX: Final = 1_000_000
BATCH_BYTES_MAX: Final = 256 * MIB
BATCH_INFLATED_BYTES_MAX: Final = 2048 * MIB  # eight times the packed bytes: ids, keys and words pack no tighter
TREE_BYTES_MAX: Final = 16 * MIB  # one folder of TREE_ENTRIES_MAX device certificates has 10 MB
STAGED_TREE_BYTES_MAX: Final = 64 * MIB  # trees and blobs of one batch held in memory; beyond, read again from the file
REJECTIONS_REMEMBERED_MAX: Final = 1_024  # of one batch, and its heads: for ever, and honest nodes pass on none
ROSTER_FILES_KEPT_MAX: Final = 400_000  # files of all rosters kept at hand for one conversation, about 60 MB
TREE_ENTRIES_KEPT_MAX: Final = 200_000  # entries of all folders kept at hand for one conversation
COMMITS_KEPT_MAX: Final = 1_024  # parsed commits kept at hand for one conversation
OPEN_LOGS_MAX: Final = 32  # conversations held open at once; opening one costs milliseconds
PUSH_PACK_BYTES_MAX: Final = 64 * KIB  # a pack that travels inside the announcement
HAVES_MAX: Final = 64
BUNDLE_BYTES_MAX: Final = 4096 * MIB  # a conversation in a file (SCP-04 §9)
BUNDLE_HEADER_BYTES_MAX: Final = 256 * KIB
BUNDLE_COMMITS_NAMED_MAX: Final = 1_024  # heads, and commits that must be there already
STEPS_FILE_BYTES: Final = 512 * KIB  # steps that the object store has not taken over yet: some 500 messages
STEP_COMMITS_MAX: Final = 256  # more at once go into the object store: after a crash they need not be judged again
AT_HAND_COMMITS_MAX: Final = 64  # so many commits are packed without leaving the event loop, when they are in memory
STEPS_IDLE_S: Final = 0.5  # after so much quiet the object store takes them over
STEPS_AGE_S: Final = 5.0  # and so long after the first, whatever comes
LOOSE_OBJECTS_PER_BATCH: Final = 16  # fewer are stored loose, more as a pack
LOOSE_OBJECTS_MAX: Final = 256  # then rolled up; those in packs that came in whole count too
PACKS_MAX: Final = 8  # then rolled up
DELTAS_PER_BASE_MAX: Final = 32  # so many commits one damaged base costs (SCP-04 §4.7)
DELTA_COMMIT_BYTES_MAX: Final = 16 * KIB  # a longer commit lies whole: what a delta saves is its headers
DELTA_AUTHORS_MAX: Final = 1_024  # whose newest base a roll-up has at hand
PULLS_PER_CONVERSATION_MAX: Final = 4
PULLS_MAX: Final = 16
SERVED_PACKS_PER_PEER_MAX: Final = 2
PULL_STALL_S: Final = 30.0
PULL_SLOW_BYTES_PER_S: Final = 1_000
PULL_SLOW_S: Final = 60.0
PULL_TURN_S: Final = 60.0  # then a pull gives way to who waits; what it brought is kept (SCP-04 §3.2)
PULL_GATHER_S: Final = 0.25  # what comes in scraps is judged together after that time at the latest
OBJECT_CACHE_BYTES_MAX: Final = 16 * MIB  # trees that libgit2 keeps of all conversations; commits it keeps none
PACK_PIECE_BYTES_MAX: Final = 256 * KIB  # one piece of a pack on its channel (SCP-04 §3.1)
WRITE_PATIENCE_S: Final = 10.0  # who writes where a clone is under way waits so long for it (SCP-06 §5)
SERVE_WRITE_TIMEOUT_S: Final = 60.0
INVALID_COMMITS_PER_HOUR_MAX: Final = 3  # then that peer is not pulled from for a day
PEER_BARRED_S: Final = 86_400.0
WANTED_HEADS_MAX: Final = 1_024  # heads announced and not here yet, for each conversation and peer

# --- links (SCP-03)
HANDSHAKE_TIMEOUT_S: Final = 10.0
PREFACE_BYTES_MAX: Final = 4_096
HANDSHAKES_MAX: Final = 64
HANDSHAKES_PER_SOURCE_MAX: Final = 16
HANDSHAKE_FAILURES_PER_MINUTE: Final = 10
HANDSHAKE_SILENCE_S: Final = 60.0
STRANGER_LINKS_MAX: Final = 64
STRANGER_LINKS_PER_SOURCE_MAX: Final = 4
STRANGER_BYTES_MAX: Final = 64 * KIB
OUTCAST_LINK_S: Final = 1.0  # for a revoked device that called to be told so (SCP-01 §3.3)
STRANGER_IDLE_S: Final = 30.0
PING_AFTER_S: Final = 15.0
PING_TIMEOUT_S: Final = 5.0  # two missed in 10 s: dead
PINGS_MISSED_MAX: Final = 2
PROBE_TIMEOUT_S: Final = 1.0  # after a change of the network; a healthy link answers in a round trip
TCP_USER_TIMEOUT_MS: Final = 30_000
BACKOFF_MIN_S: Final = 1.0  # a restarted peer is back within seconds
BACKOFF_MAX_S: Final = 300.0  # a laptop in a tunnel must not cost a battery
HAPPY_EYEBALLS_DELAY_S: Final = 0.25
HANDSHAKE_SOURCES_MAX: Final = 4_096  # source addresses whose failures are remembered
LINK_DRAIN_S: Final = 60.0  # a replaced link may finish its transfers this long
CHANNEL_LINGER_S: Final = 60.0  # we said the end, the peer did not: reset; it may still be reading what we sent
PAIRING_LINK_S: Final = 300.0
PAIRING_TRIES_MAX: Final = 3  # wrong words; each is worth one guess at 62 bits
PAIRING_CALLERS_MAX: Final = 32  # who call one code, whatever comes of it: each costs 10 ms of arithmetic
PAIRING_PROOF_S: Final = 20.0  # a caller that does not show the words by then makes room
PAIRING_REACH_S: Final = 60.0  # `device add` looks so long for the new device, unless told otherwise
PAIRING_WORDS: Final = 6  # of 1,295: 62 bits
PAIRING_SPAKE_BYTES: Final = 33  # a byte for the side and a point
PAIRING_CONFIRM_BYTES: Final = 32
PAIRING_DOCUMENT_BYTES_MAX: Final = 64 * MIB  # the account's document, as much as an archive may hold
LISTEN_BACKLOG: Final = 512  # a mesh that comes back dials all at once
DIAL_CANDIDATES_MAX: Final = 16  # addresses of one device raced by one dial

# --- yamux (SCP-03 §3)
YAMUX_WINDOW: Final = 256 * KIB
YAMUX_BULK_WINDOW: Final = MIB
YAMUX_LINK_WINDOW_MAX: Final = 16 * MIB
YAMUX_STREAMS_MAX: Final = 1_024
YAMUX_BACKLOG_MAX: Final = 256
YAMUX_FRAME_BYTES_MAX: Final = 64 * KIB
YAMUX_PING_REPLIES_MAX: Final = 64
YAMUX_CONTROL_FRAMES_MAX: Final = 4_096  # queued and unsent; a peer that makes us queue more floods
YAMUX_RECEIVED_FRAME_BYTES_MAX: Final = 16 * MIB  # of a stream already forgotten; else its window binds

# --- channels (SCP-03 §4a)
MESSAGE_FRAME_BYTES_MAX: Final = 64 * KIB
SYNC_FRAME_BYTES_MAX: Final = MIB
FRAME_DEPTH_MAX: Final = 8
FRAME_CONTAINERS_MAX: Final = 65_536  # maps and lists in one message: an empty one is 1 byte there and 64 here
CHANNEL_UNSENT_HIGH: Final = 256 * KIB  # above it a sender waits
ANSWER_TIMEOUT_S: Final = 10.0

# --- the mesh (SCP-04 §1–§2)
FULL_MESH_DEVICES_MAX: Final = 128
HELLO_INTERVAL_S: Final = 300.0
NEWS_RETRY_S: Final = 10.0
RELAY_JITTER_S: Final = 0.05
RELAY_PATIENCE_S: Final = 0.5  # to who had the last one already when it was told, doubled at most by chance
RECEIPTS_STORED_AFTER_S: Final = 0.1  # what devices told is stored many at once
RECEIPT_MOMENTS_MAX: Final = 64  # of one device in one conversation: since when it has what; thinned to half when full
RECEIPT_MOMENT_HEADS_MAX: Final = 8  # commits that a moment names; what is behind others is known from a later one
MARKS_WAITING_MAX: Final = 256  # read marks of one conversation whose commit is not here yet
MARKS_AT_ONCE: Final = 256  # read marks told to one device in a second, when it has said hello
SEEN_DEVICES_MAX: Final = 10_000  # of which is kept when a link stood last
MARKS_PAGE_ROWS: Final = 128  # receipts in one message between own devices
MARKS_ROW_HEADS: Final = 8  # heads of a device in one of them; what is behind others is told when they are fewer
MARKS_SHARED_AFTER_S: Final = 1.0  # own devices are told receipts so often at most
UNREAD_MAX: Final = 1_000  # unread messages are counted so far
UNREAD_PASSED_ON_MAX: Final = 100  # own commits, the newest, looked at for words of others: it takes signatures
HEAD_MISSING_AFTER_S: Final = 60.0
FOREIGN_MESSAGES_PER_MINUTE: Final = 100
TYPING_INTERVAL_S: Final = 2.0
TYPING_TIMEOUT_S: Final = 12.0
NOTICE_HEADS_MAX: Final = 8  # heads in one notice (SCP-05 §1.5)
CARD_BYTES_MAX: Final = 4_096  # a device card as it travels in a hello (SCP-05 §1.2)
BAD_MESSAGES_MAX: Final = 16  # refusals told to a peer for one batch
SYNCING_EVERY_S: Final = 0.25  # progress of a clone is told so often
BAD_TEXT_CHARS_MAX: Final = 64  # code and rule of a peer's refusal
BACKOFF_FLOOR_S: Final = 0.1  # full jitter may say 0; a peer that refuses at once must not be dialled in a loop
LINK_LASTED_S: Final = 10.0  # a link that broke sooner counts as a failed dial
MESH_RANDOM_DEVICES: Final = 4  # linked beyond the buckets, so that no region of ids is cut off
MESH_PER_BUCKET: Final = 2
MESH_TARGETS_MAX: Final = 2_048  # devices and accounts wanted at once; more are not dialled
PEERS_PER_SESSION_MAX: Final = 1_024  # devices one conversation is kept in step with
REPUTATIONS_MAX: Final = 1_024  # devices whose invalid commits are counted
PUSHES_QUEUED_MAX: Final = 64  # packs that came inside announcements and wait; more are pulled instead
SYNC_OUTBOX_BYTES_MAX: Final = 8 * MIB
HELLO_HEADS_MAX: Final = 262_144  # in all pages of one hello
SYNC_RETRY_MIN_S: Final = 2.0  # `sync` was refused: the peer may not know us yet
SYNC_RETRY_MAX_S: Final = 60.0
FAREWELL_S: Final = 1.0  # the links of who is removed wait so long for the commit that says so to be taken in
OWN_LEAVE_AWAITED_S: Final = 3_600.0  # for the commit by which another own device left; then ours (SCP-06 §7)
FAREWELLS_S: Final = 2.0  # a node that stops ends its links properly in this time, or without ado
BYE_S: Final = 0.5  # a node that stops waits so long at most until its goodbyes have come
HANDED_OVER_AFTER_S: Final = 30 * 86_400.0  # what was left and nobody took is erased (SCP-06 §7)
INVITATIONS_CHECKED_S: Final = 60.0  # how often it is looked what is to be sent again
ROLLUP_IDLE_S: Final = 1.0  # a log that grew is put in order after so much quiet
SYNC_OUTBOX_MAX: Final = 4_096  # messages waiting for one peer; a slower one is hung up on
MAIL_SEEN_MAX: Final = 4_096  # mails remembered against replay
MAIL_SEEN_S: Final = 172_800.0
ASKS_PER_PEER_MAX: Final = 16  # unknown conversations asked for, of one peer in an hour
TYPISTS_MAX: Final = 256  # devices seen typing in one conversation

# --- requests and mail (SCP-06)
REQUESTS_MAX: Final = 100
REQUESTS_FROM_SHARED: Final = 50
REQUESTS_PER_HOUR_PER_SENDER: Final = 10
PAIRS_TAKEN_UP_MAX: Final = 4  # one-to-ones that one contact offers and that are taken up without asking, in 24 h
MAIL_BODY_BYTES_MAX: Final = 2_800
MAIL_AGE_MAX_S: Final = 86_400.0
MAIL_AHEAD_MAX_S: Final = 120.0
INVITATION_AGAIN_S: Final = 86_400.0
ADDRESSES_PER_DEVICE_MAX: Final = 16
CARD_AGE_MAX_S: Final = 14 * 86_400
LAN_DIALS_MAX: Final = 32  # unknown instances dialled while an invitation waits

# --- the local API (SCP-08)
API_LINE_BYTES_MAX: Final = 4 * MIB
API_REPLY_BYTES_MAX: Final = 64 * MIB  # an answer; what would be larger is asked for in pages
API_PARAM_CHARS_MAX: Final = 4_096  # a name, id, path or address; texts have their own bound
API_PARAM_ITEMS_MAX: Final = 100
API_LIST_MAX: Final = 10_000  # rows of one answer; more is asked in pages
API_DEPTH_MAX: Final = 16  # no method takes anything deeper than an array of strings in a batch
API_BATCH_MAX: Final = 100  # calls in one batch
API_CLIENTS_MAX: Final = 64
API_CALLS_PER_CLIENT_MAX: Final = 16  # in flight at once; the rest waits in the socket
API_EVENTS_PER_PUSH: Final = 500  # read from the log at once for one subscriber
API_ID_CHARS_MAX: Final = 128  # of a request's id, which is sent back
API_CLOSE_S: Final = 2.0  # calls in flight may take so long to end when the daemon stops
API_WRITE_TIMEOUT_S: Final = 30.0  # a client that reads nothing for so long is hung up on
API_CALL_TIMEOUT_S: Final = 60.0  # the CLI waits so long for an answer, beside what the call itself may wait
HTTP_CONNECTIONS_MAX: Final = 128  # at once, of all kinds; the next is told 503
HTTP_STREAMS_MAX: Final = 64  # of these, that wait for events: streams, WebSockets, long polls
HTTP_HEAD_BYTES_MAX: Final = 32 * KIB  # request line and headers
HTTP_HEAD_S: Final = 10.0  # from a connection's first byte, or its opening, to the end of the headers
HTTP_BODY_S: Final = 30.0  # from there to the end of the body
HTTP_IDLE_S: Final = 15  # a connection without a request in it is kept so long
HTTP_CALLS_PER_S: Final = 200.0  # requests with one token, on the long run
HTTP_CALLS_AT_ONCE: Final = 2_000  # and in a burst
HTTP_WRONG_PER_S: Final = 5.0  # requests with a wrong token or none that are answered 401; beyond, 429
HTTP_WRONG_AT_ONCE: Final = 50
HTTP_POLL_S: Final = 60.0  # a long poll waits at most so long
HTTP_PULSE_S: Final = 15.0  # a stream without events says so often that it lives
TOKENS_MAX: Final = 100
TOKEN_NAME_CHARS_MAX: Final = 64
TOKEN_FILE_BYTES_MAX: Final = KIB
TOKENS_FILE_BYTES_MAX: Final = 64 * KIB
WEB_DEPTH_MAX: Final = 3  # folders of the packaged page under each other
SEARCH_TEXT_CHARS_MAX: Final = 1_000  # a question; longer is no word
SEARCH_HITS_MAX: Final = 200  # of one answer; more is asked in pages
SEARCH_CONTEXT_MAX: Final = 20  # lines before a hit, and after it
PASSWORD_CHARS_MAX: Final = 1_024
REACTION_CHARS_MAX: Final = 64
LINK_CHARS_MAX: Final = 4_096  # a `swarm:` link with its addresses
EVENTS_KEPT_MAX: Final = 1_000_000
EVENTS_KEPT_S: Final = 30 * 86_400
EVENTS_PASSING_MAX: Final = 256  # that are never stored (typing), kept for subscribers that read slowly
EVENTS_WAITING_MAX: Final = 10_000  # while the disk refuses them; what is older is told of at the next start
EVENTS_UNSAFE_MAX: Final = 1_000  # events that a power cut may take, before they are synced
EVENTS_LOST_MAX: Final = 10_000_000  # numbers that are left out after one: more than one write can have held
ID_PREFIX_MIN: Final = 4
SHUTDOWN_S: Final = 5.0

# --- the account on disk (SCP-01 §4, SCP-06, SCP-08 §1.2)
SOCKET_PATH_BYTES_MAX: Final = 107  # sun_path of Linux is 108 with its NUL
ACCOUNT_FILE_BYTES_MAX: Final = MIB
STATE_FILE_BYTES_MAX: Final = 64 * MIB
CONTACTS_MAX: Final = 10_000
NOTE_CHARS_MAX: Final = 512
REQUEST_NAME_CHARS_MAX: Final = 64  # SCP-06 §9
DECLINED_MAX: Final = 1_000  # remembered refusals; the oldest is forgotten
REQUEST_SENDERS_MAX: Final = 256  # senders whose requests of the last hour are counted
CONVERSATIONS_KNOWN_MAX: Final = 10_000
CLONE_MEMBERS_MAX: Final = 64  # members kept as candidates for cloning (SCP-01 §4.1)
CLONE_HOSTS_MAX: Final = 8
REFUSED_HEADS_MAX: Final = 32  # heads of an invalid history, not tried again (SCP-06 §5)
INVITATIONS_MAX: Final = 5_000
INVITATION_KEPT_S: Final = 30 * 86_400
INVITATIONS_LOOKED_BACK_MAX: Final = (
    1_000  # changes of a roster among which is looked whether a stranger was invited once
)
INVITATION_RESEND_S: Final = 600.0  # SCP-05 §1.11
OWN_DEVICES_MAX: Final = 64  # revoked ones included
PHRASE_CHARS_MAX: Final = 1_024  # of a recovery phrase of 24 words, with room; of its passphrase
STATUS_KEY_GENERATION_MAX: Final = 2**53 - 1  # how often the key with Status may be replaced: what JSON keeps exactly
PREFERENCES_MAX: Final = 32  # of one conversation
PREFERENCE_CHARS_MAX: Final = 256
STAMPS_MAX: Final = 200_000  # of what own devices share: four for each contact, one or two for the rest
STAMP_KEY_CHARS_MAX: Final = 128
STAMPS_EMPTY_MAX: Final = 4_000  # of what is no more; the oldest are forgotten
STAMPS_EMPTY_LOOK: Final = 64  # own changes between two looks whether there are more
DELTA_ENTRIES_MAX: Final = 1_000  # in one piece of what own devices tell each other
DELTA_BYTES: Final = 256 * KIB  # after which a piece ends: a state with it is written at once
SEALING_KEY_AGE_S: Final = 7 * 86_400  # then a fresh one; the previous still opens (SCP-05 §1.3)
SEALING_KEY_CHECKED_S: Final = 3_600.0  # how often a running node looks whether that is due

# --- discovery (SCP-05)
ADDRESS_OWNERS_MAX: Final = 10_000  # devices and accounts in the address book; the longest unseen goes
ADDRESS_KEPT_S: Final = 90 * 86_400  # neither seen nor good for so long: forgotten (not what the user typed)
CARD_ADDRESSES_MAX: Final = 8
CARD_ONLINE_S: Final = 600  # how long after `made` a card may call its device online
CARD_FRESH_S: Final = 60  # a hello carries an own card no older than this, so that its addresses outlast the next hello
CARD_AHEAD_S: Final = 300  # `made` further ahead of our clock is refused
CARDS_MAX: Final = 10_000
CARDS_PER_HELLO_MAX: Final = 64  # cards of others handed on at once (SCP-04 §2.1)
CARDS_REPEATED_MAX: Final = 256  # handed on again without other addresses, over all peers, every 5 min
CARDS_SPREAD_TO: Final = 4  # peers that are told at once of a new address; the others hear it with the next hello
CARDS_SPREAD_S: Final = 1.0  # new addresses are gathered for about so long, and go in one hello
CARDS_TAKEN_AT_ONCE: Final = 256  # cards of one peer that are judged: so many, and then
CARDS_TAKEN_PER_S: Final = 8.0
CARD_DIAL_EVERY_S: Final = 60.0  # what a card says of a device's addresses voids its back-off at most so often
LAN_INSTANCES_MAX: Final = 1_024  # a hostile LAN can invent as many as it likes
LAN_ADDRESSES_MAX: Final = 16  # of one instance
LAN_RESOLVE_S: Final = 3.0
LAN_DAY_CHECKED_S: Final = 60.0  # how often it is asked whether the tag of the day is over; the wall clock may be set
LAN_RETRY_S: Final = 5.0  # after the mDNS port was refused
LAN_RESOLVING_MAX: Final = 64  # instances asked for their address at once
LAN_INTERFACES_MAX: Final = 32
INTERFACES_POLL_S: Final = 0.5  # between two looks at the interfaces where there is no netlink, and after a change
INTERFACES_CHECKED_S: Final = 5.0  # between two looks where netlink tells of every change
INTERFACES_GAP_S: Final = 0.05  # from a netlink notice to the look: a plugged cable brings a dozen of them
DELIVERY_WAIT_S: Final = 60.0  # `send --wait` without a timeout
HINTS_FILE_BYTES_MAX: Final = 64 * MIB  # addresses and cards kept over a restart
BUILT_S: Final = 1_767_225_600  # 2026-01-01: a clock that is set before it is wrong (SCP-08 §2.6)
SPACE_LEAST_BYTES: Final = 64 * MIB  # with less free `doctor` speaks of a fault
SPACE_LOW_BYTES: Final = 512 * MIB  # with less free it warns
PORTS_FILE_BYTES_MAX: Final = 64 * KIB  # the ports of the last start, one for each address that is listened on
OPEN_FILES: Final = 16_384  # descriptors asked for at start: links, repositories, clients

# --- what a swarm does over the DHT (SCP-05 §1.4–§1.12, SCP-06 §9)
ADDRESS_CHARS_MAX: Final = 300  # an address as a mail writes it
DHT_CARD_BITS: Final = 18  # of work: in a full key more goes before less
DHT_WATCHED_MAX: Final = 32  # accounts whose cards are watched at once; the others take turns
DHT_WATCHED_FIRST: Final = 24  # of these for who is waited for, where there are more of both
DHT_WATCH_TURN_S: Final = 120.0  # then it is the next ones' turn
DHT_LOOKED_AFTER_S: Final = 30.0  # between two looks at what is to be put or watched, if nothing happens
DHT_GATHER_S: Final = 0.25  # what happens at once is looked at once
DHT_HOSTED_MAX: Final = 32  # conversations of which this node says that it has them
DHT_HOSTED_AFTER_S: Final = 30.0  # nobody of it was linked for so long: a start or a short cut is no reason
DHT_SOUGHT_MAX: Final = 8  # conversations whose hosts are looked for at once
HOSTS_PER_CONVERSATION_MAX: Final = 32  # found, and kept with their source and age
HOSTS_CONVERSATIONS_MAX: Final = 64
HOSTS_ADDED_MAX: Final = 8  # accounts that only a host record names and that are asked for a clone
CARDS_FOUND_AT_ONCE: Final = 32  # cards of one account found in the DHT that are judged: so many, and then
CARDS_FOUND_PER_S: Final = 0.5
CRL_AGAIN_S: Final = 600.0  # an account's list is looked up again where a new device shows up; else six times later
CRL_READ_MAX: Final = 4  # looked up at once
MAILBOX_OPENED_AT_ONCE: Final = 128  # letters tried to open: so many, and then; a try costs about 0.2 ms
MAILBOX_OPENED_PER_S: Final = 4.0
MAILBOX_SEEN_MAX: Final = 4_096  # records remembered, opened or not
MAILBOX_RUBBISH_MAX: Final = 3  # records of one writer that are no letter to us; then it is not read for an hour
MAILBOX_WRITERS_MAX: Final = 1_024  # whose rubbish is counted
MAIL_PER_SENDER_HOUR: Final = 60  # letters of one account that are acted on
MAIL_OF_STRANGERS_HOUR: Final = 120  # and of all who are neither own, nor contacts, nor share a conversation
MAIL_SENDERS_MAX: Final = 1_024  # accounts whose letters are counted
LETTERS_WAITING_MAX: Final = 256  # opened, and not acted on yet
LETTER_RETRY_S: Final = 5.0  # after the disk refused what a letter led to
LETTER_TRIES_MAX: Final = 100
POSTED_SLOTS: Final = 4  # letters of ours in one mailbox at once: storing nodes keep no more of a writer
POSTED_SLOT_S: Final = 15.0  # a letter stands for so long before the next takes its place
POSTED_WAITING_MAX: Final = 512  # letters that wait to be put
POSTED_AT_ONCE: Final = 4  # put at the same time: each costs 60 ms of work and a lookup
POSTED_TRIES_MAX: Final = 4  # where nobody takes a letter it is tried so often
POSTED_RETRY_S: Final = 15.0
WANT_TTL_S: Final = 240  # of a question for addresses and its answer: the writer's clock may be 120 s behind
WANT_EVERY_S: Final = 60.0  # one device is asked for its addresses at most so often, then
WANT_EVERY_MAX_S: Final = 600.0  # ever more seldom, down to this
WANT_AFTER_S: Final = 2.0  # what is known already is dialled first
WANT_ANSWER_S: Final = 300.0  # an answer counts so long after the question
WANTS_OPEN_MAX: Final = 2_048  # questions that may still be answered
WANTS_ANSWERED_PER_MINUTE: Final = 10
PRESENT_MAX: Final = 2_048  # devices whose cards in the DHT say that they are there
HEEDED_MAX: Final = 64  # accounts looked for because mail of them said that there is news
REPLY_WAITS_S: Final = 300.0  # a reply waits so long for the card of who is to have it
REPLIES_WAITING_MAX: Final = 64
NOTICES_WAITING_MAX: Final = 1_024  # one for each conversation and device, the newest
NOTICE_EVERY_S: Final = 60.0  # to one device about one conversation
HELD_PER_CONVERSATION_MAX: Final = 64  # invitations by others that this device keeps sending
HOLDERS: Final = 3  # joined devices that hold an invitation, beside the inviter's

# --- the DHT (SCP-05 §1)
DHT_KEY_BYTES: Final = 20
DHT_SALT_BYTES_MAX: Final = 16
DHT_DATA_BYTES_MAX: Final = 3_840  # sealed or veiled payload of one record
DHT_RECORD_BYTES_MAX: Final = 4_096
DHT_TTL_MAX_S: Final = 600  # signed, and capped by the storing node: nothing lives longer than its owner cares
DHT_AHEAD_MAX_S: Final = 120  # `created` further ahead of our clock is refused
DHT_WORK_BITS: Final = 16  # proof of work of a mailbox record: 60 ms once in 300 s
DHT_WORK_BITS_MAX: Final = 24  # more is asked of nobody: 16 s
DHT_BUCKET_S: Final = 3_600  # keys change with the hour
DHT_BUCKET_AFTER_S: Final = 720  # the past hour is read so long: its last record lives 600 s, clocks are 120 s behind
DHT_BUCKET_BEFORE_S: Final = 180  # the next hour is read so early: clocks run ahead, and a subscription takes a while
DHT_PUZZLE_BITS: Final = 16  # a node's key is looked for once, for a second; who wants a certain place pays each try
DHT_DATAGRAM_BYTES_MAX: Final = 1_200  # passes every IPv6 path in one piece
DHT_PART_BYTES: Final = 900  # of a record, in one datagram
DHT_PARTS_MAX: Final = 5  # of one record
DHT_LIST_MAX: Final = 64  # digests or records in one datagram
DHT_REQUEST_BYTES_MIN: Final = (
    100  # a shorter request gets no answer: the answer to an unproven address is at most 3 times it
)
DHT_FIND_BYTES: Final = 264  # a search for nodes is padded to it: three times it holds 20 contacts of IPv4
DHT_QUERY_BYTES: Final = 440  # a question for records is padded to it: three times it is a whole datagram and a ping
DHT_PER_PREFIX_MAX: Final = (
    2  # contacts of one /24 or /48 in a bucket: places near a key shall cost addresses, not only keys
)
DHT_PER_PREFIX_IN_TABLE_MAX: Final = 10
DHT_FAILURES_MAX: Final = 3  # unanswered requests in a row, each sent three times; then a contact goes
DHT_RESERVE_MAX: Final = 20  # proven contacts that wait for a place in a full bucket
DHT_PROBE_BYTES: Final = 160  # brings an answer, a ping back and a third node's ping
DHT_TRIES: Final = 3  # sendings of one request
DHT_RTO_FIRST_S: Final = 0.4  # before any answer was timed
DHT_RTO_MIN_S: Final = 0.15  # a busy node is no lost datagram
DHT_RTO_MAX_S: Final = 1.0
DHT_SLOW_FIRST_S: Final = 0.2  # then another is asked as well, before anything is taken for lost
DHT_SLOW_MIN_S: Final = 0.05
DHT_REQUESTS_PER_S: Final = 100.0  # of one prefix, counted before anything is verified
DHT_REQUESTS_BURST: Final = 400.0
DHT_METERED_MAX: Final = 10_000  # prefixes whose requests are counted
DHT_TOKEN_S: Final = 300.0  # a token holds in this span and the next
DHT_PARTIALS_MAX: Final = 256  # records that came in part, one MiB at most
DHT_PARTIALS_PER_PREFIX_MAX: Final = 32
DHT_PARTIAL_S: Final = 10.0
DHT_SUBSCRIPTION_S: Final = 120.0
DHT_SUBSCRIBERS_PER_KEY_MAX: Final = 64
DHT_SUBSCRIBERS_PER_PREFIX_MAX: Final = 256
DHT_SUBSCRIBERS_MAX: Final = 4_096
DHT_NOTIFIED_PER_S: Final = 50.0  # records told to one subscriber
DHT_REACHED_S: Final = 1_800.0  # a proof that strangers reach us holds so long; renewed at half of it
DHT_MAPPING_S: Final = 900.0  # a router forgets sooner where we sent to
DHT_SENT_REMEMBERED_MAX: Final = 4_096  # where we sent to lately; beyond, nothing is proof for a while
DHT_PROOF_WAIT_S: Final = 1.0  # for the third node, before the others are asked and can prove nothing any more
DHT_TELLERS_MAX: Final = 32  # networks that told us our address
DHT_BUCKET_CONTACTS: Final = 20  # k: contacts in a bucket, nodes in an answer
DHT_PROBES_PER_S: Final = 0.1  # probes and knocks of one prefix
DHT_PROBES_BURST: Final = 4.0
DHT_ALPHA: Final = 3  # questions of one search under way
DHT_SEEDS: Final = 60  # contacts that a search begins with; the far ones for when half of the near ones are dead
DHT_ALPHA_MAX: Final = 8  # with those whose answers are late
DHT_LOOKUP_PEERS_MAX: Final = 200  # nodes that one search keeps in mind
DHT_PER_PREFIX_IN_LOOKUP_MAX: Final = 4
DHT_LOOKUP_QUERIES_MAX: Final = 120  # then it ends with what was found: who invents nodes near a key keeps nobody busy
DHT_HARVEST_MAX: Final = 1_024  # records judged for one reading of a key
DHT_STORAGE_BYTES_MAX: Final = 32 * MIB  # memory for records of others
DHT_SERVED_BYTES_MAX: Final = 256 * MIB  # and of a node that does nothing else
DHT_RECORD_MEMORY_BYTES: Final = KIB  # what a record costs beside twice its length
DHT_RECORDS_PER_KEY_MAX: Final = 64
DHT_BYTES_PER_KEY_MAX: Final = 64 * KIB
DHT_RECORDS_PER_WRITER_MAX: Final = 4  # under one key
DHT_RECORDS_PER_PREFIX_MAX: Final = 4  # of one /24 or /48 before any more of it, where a key is full
DHT_BYTES_PER_PREFIX_MAX: Final = MIB  # over all keys
DHT_PINGS_BACK_MAX: Final = 32  # nodes being asked to prove themselves
DHT_PINGS_BACK_PER_S: Final = 1.0  # of those far from us; neighbours are asked always
DHT_PINGS_BACK_BURST: Final = 20.0
DHT_TOKENS_KEPT_MAX: Final = 2_048  # tokens that others gave us
DHT_REPLICAS: Final = 8  # nodes that hold a record
DHT_LISTENERS: Final = 4  # nodes that a subscription stands on
DHT_RENEW_S: Final = 60.0  # of a subscription
DHT_RENEW_CLIENT_S: Final = 25.0  # behind a router: it forgets where we sent to after 30 s and more
DHT_PUT_EVERY_S: Final = 300.0  # ± 10 %: one that fails leaves no gap
DHT_PUT_AGAIN_S: Final = 15.0  # where fewer than 3 took it
DHT_PUT_ENOUGH: Final = 3  # replicas
DHT_PUTS_MAX: Final = 8  # publications put at once
DHT_RECORDS_WATCHED_MAX: Final = 256  # remembered of one key, so that each is told once
DHT_LOOKUPS_MAX: Final = 32  # searches at once; the rest waits
DHT_AGAIN_MAX: Final = 4  # times one holder is asked again for records that had no room
DHT_CONTACTS_KEPT_MAX: Final = 200  # over a restart
DHT_STATE_BYTES_MAX: Final = 64 * KIB
DHT_BACKOFF_MIN_S: Final = 1.0  # between attempts to find any node
DHT_BACKOFF_MAX_S: Final = 300.0
DHT_JOINING_MAX: Final = 20  # addresses asked at once
DHT_CANDIDATES_MAX: Final = 256  # addresses that others told us of, kept for when nobody answers
DHT_TICK_S: Final = 10.0  # how often a node looks after itself
DHT_STALE_S: Final = 600.0  # a contact not heard of for so long is pinged
DHT_STALE_PINGS: Final = 4  # at each look
DHT_REFRESH_S: Final = 900.0  # a part of the table where nobody answered for so long is searched
DHT_REFRESHES_MAX: Final = 4  # at each look
DHT_NEIGHBOURS_S: Final = 60.0  # a new neighbour makes a node look around, at most so often
DHT_INTRODUCTIONS: Final = 3  # rounds, a minute apart, in which a node between two networks has its contacts meet
DHT_SAVE_S: Final = 600.0
DHT_CLOCK_JUMP_S: Final = 60.0  # the wall clock went on so much more: the machine slept
DHT_FETCHED_AT_ONCE_MAX: Final = 64  # long records that were told of by their digest and are on their way
DHT_REPLICAS_USED_MAX: Final = 2  # times a record is put to the nodes of the last time; then they are looked for anew
DHT_REPLICAS_KEPT_MAX: Final = 512  # keys whose replicas are remembered
DHT_SOCKET_BYTES: Final = MIB  # asked of the kernel for what arrives while the node is busy
DHT_BOOTSTRAP_MAX: Final = 64  # nodes named in the settings
DHT_CHANGES_S: Final = 10.0  # interfaces that come and go have all put anew at most so often
DHT_PORT_RETRY_S: Final = 60.0  # after its port was refused
DHT_FIRST_ANSWER_S: Final = 5.0  # until then nobody is told that no bootstrap node answers
DHT_PORT_PUBLIC: Final = 4_222  # of `dht serve`, unless another is asked for
DHT_METRICS_REQUEST_BYTES_MAX: Final = 8 * KIB
DHT_METRICS_TIMEOUT_S: Final = 5.0  # a reader of metrics that says nothing, or reads nothing
DHT_METRICS_READERS_MAX: Final = 16
DHT_CLOCKS_MIN: Final = 5  # networks that say what time it is, before any of them counts

# --- data sync on nodes (SCP-09 §4.5, §4.6)
DATASYNC_HELLO_S: Final = 10.0  # until then a peer has proved who it is
DATASYNC_SESSIONS_MAX: Final = 64  # peers at once that have proved who they are
DATASYNC_UNPROVED_MAX: Final = 16  # beside them, connections that have not yet; of more the oldest goes
DATASYNC_PER_SOURCE_MAX: Final = 8  # of one address not of this machine, those that are neither member nor invited
DATASYNC_AT_REST_MAX: Final = 32  # while no more peers are here, who is in no group may wait to be invited for ever
DATASYNC_STRANGER_S: Final = 300.0  # else so long
DATASYNC_SILENT_S: Final = 60.0  # after that a peer gives way to one of its own kind, where all seats are taken
DATASYNC_UNSENT_PAYLOADS_MAX: Final = 8  # to one peer; what finds no room is sent again later
DATASYNC_FIRST_MESSAGES: Final = 200  # the newest of each group, which who comes in is told of
DATASYNC_CLIENTS_MAX: Final = 1_000  # peers for whom messages are kept while they are away
DATASYNC_ATTESTED_MAX: Final = 200  # texts that one call passes on: as many as who comes in is offered
DATASYNC_ATTESTED_BYTES_MAX: Final = 128 * KIB  # the JSON of one that is passed on: the longest text, and more
DATASYNC_RECEIPTS_MAX: Final = 10_000  # ACKs that are kept, one of each member for each JOIN, LEAVE and KICK
DATASYNC_RECEIPT_BYTES_MAX: Final = 1 * KIB  # of the body of one; what is written has 137
DATASYNC_RECEIPTS_SHOWN_MAX: Final = 20  # the newest of a group, by what they acknowledge
DATASYNC_TICK_MS_MAX: Final = 60_000  # between two sendings; 300 unless a trial asks for another

# --- gateways (SCP-09)
PROTOBUF_BYTES_MAX: Final = 4 * MIB  # one message: a list of group events may carry several pictures
PROTOBUF_FIELDS_MAX: Final = 16_384  # of one message, those of messages inside of it included
STATUS_CLOCK_AHEAD_MS_MAX: Final = 120_000  # further ahead than that no client of Status takes a message
STATUS_CHAT_ID_CHARS_MAX: Final = 256  # real ones have 169
STATUS_EVENTS_MAX: Final = 8_192  # of one group: all travel with each message, and each costs 133 µs
STATUS_EVENTS_BYTES_MAX: Final = 3 * MIB  # of one group, together: with the message and its wrapper one message
STATUS_BIG_EVENTS_BYTES_MAX: Final = (
    2 * MIB
)  # together, as far as one over 4 KiB may still be added: pictures must not keep people from being removed
STATUS_BIG_EVENT_BYTES: Final = 4 * KIB  # a longer event is a picture, or has very many members
STATUS_EVENT_BYTES_MAX: Final = 512 * KIB  # a picture of 256 KiB and some; in base64 it fits into a commit
STATUS_TEXT_CHARS_MAX: Final = 4_096  # code points
STATUS_COMMIT_EVENTS_MAX: Final = 16  # that one commit brings: what opens a conversation brings four
STATUS_COMMIT_PARTS_MAX: Final = 16  # messages of one commit: the longest text that a commit may hold, in pieces

# --- data sync (SCP-09 §4)
DATASYNC_FRAME_BYTES_MAX: Final = MIB  # one payload on its channel
DATASYNC_IDS_PER_PAYLOAD_MAX: Final = 256  # ids and messages that we send in one tick, and messages that we read of one
DATASYNC_IDS_READ_MAX: Final = 1_024  # of each list of a payload: others send more than we do
DATASYNC_MESSAGE_BYTES_MAX: Final = 512 * KIB  # one message, and all messages of one payload that we send
DATASYNC_PARENTS_MAX: Final = 256  # of one message; eight times what a merge joins
DATASYNC_SENDS_MAX: Final = 14  # then a record is given up, as Status does; 10 days
DATASYNC_RECORDS_PER_PEER_MAX: Final = (
    10_000  # what waits for one peer; what finds no room it learns of from what follows
)
DATASYNC_REQUESTS_PER_PEER_MAX: Final = 1_024  # of them what we ask it for: it may offer ids without end
DATASYNC_ACKS_PER_PEER_MAX: Final = 1_024  # owed to one peer; the others it asks for again
DATASYNC_HELD_PER_PEER_MAX: Final = 1_000  # messages that one peer brought and whose parents are not here
DATASYNC_HELD_BYTES_PER_PEER_MAX: Final = 16 * MIB
DATASYNC_HELD_S: Final = 7 * 86_400.0  # then they go on without their parents
DATASYNC_REFUSED_PER_PEER_MAX: Final = 1_024  # remembered of what one peer brought, so that nobody waits for it
DATASYNC_EPHEMERAL_BYTES_MAX: Final = 4 * KIB  # typing marks and the like
DATASYNC_EPHEMERAL_PER_PEER_MAX: Final = 64  # waiting for the next payload to one peer
DATASYNC_EPHEMERAL_REMEMBERED_MAX: Final = 1_024  # that one peer brought, so that they do not go round
DATASYNC_IDLE_MESSAGES_PER_PEER_MAX: Final = (
    20_000  # brought by one peer into a group and not counting: a history may come newest first
)
DATASYNC_IDLE_BYTES_PER_PEER_MAX: Final = 64 * MIB
STATUS_STREAM_BYTES_MAX: Final = 256 * MIB  # a file that is imported: each text in it carries all events of its group
STATUS_STREAM_MESSAGES_MAX: Final = 100_000  # of one file
STATUS_REQUESTS_PER_CONVERSATION_MAX: Final = (
    100  # of people who ask to be let in, answered ones too; as of invitations
)
STATUS_REQUESTS_MAX: Final = 1_000  # of all conversations
STATUS_REQUEST_CHARS_MAX: Final = 500  # kept of the words with which somebody asks; clients let people write 100 or so
STATUS_IGNORED_PER_CONVERSATION_MAX: Final = (
    1_000  # events without effect that are remembered; as many as a report has lines
)
STATUS_IGNORED_MAX: Final = 10_000  # of all conversations: 4 MB
STATUS_IMAGE_BYTES_MAX: Final = 256 * KIB  # a picture of a group that is made the conversation's
