//! What became of a received datagram: exactly one fate each, so received = the sum of all fates.

macro_rules! fates {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// What became of a received datagram.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fate { $($(#[$doc])* $name,)* }

        impl Fate {
            /// All of them, in order of declaration.
            pub const ALL: &'static [Fate] = &[$(Fate::$name,)*];

            /// Its name in counters.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Fate::$name => $word,)* }
            }
        }
    };
}

fates!(
    /// A valid announcement of a claim held here.
    Heard = "heard",
    /// A valid answer to a live question of mine.
    Proof = "proof",
    /// A valid answer to nothing live: merely heard.
    LateAnswer = "late_answer",
    /// A valid goodbye.
    Goodbye = "goodbye",
    /// My own datagram come back: second NIC, bond, reflector.
    Echo = "echo",
    /// A live clone of mine speaks, but I took a new boot id within the last 10 s.
    CloneDeferred = "clone_deferred",
    /// A claim not held here; coverage counted.
    Foreign = "foreign",
    /// A claim not held here, signature checked, known to the inventory.
    Inventory = "inventory",
    /// A claim not held here, whose signature is wrong.
    ForeignForged = "foreign_forged",
    /// Not 320 bytes and no classic text.
    WrongLength = "wrong_length",
    /// Not `SNv1`.
    WrongMagic = "wrong_magic",
    /// A kind this version does not know.
    WrongKind = "wrong_kind",
    /// TTL or hop limit not 255, an IPv6 source that is not link-local (RFC 5082), or an interface that is not used.
    OffLink = "off_link",
    /// The MAC of a claim held here is wrong: the sender lacks the serial.
    WrongMac = "wrong_mac",
    /// Product or host is no valid text, or not the claim's product.
    WrongText = "wrong_text",
    /// Its sequence was seen before, is older than the window, or from before a goodbye: second path or replay.
    Replayed = "replayed",
    /// Too many signatures to check from this source, or in all.
    RateLimited = "rate_limited",
    /// The signature is wrong.
    Forged = "forged",
    /// Valid, but the table of holders is full.
    TableFull = "table_full",
    /// A classic query, seen.
    ClassicQuery = "classic_query",
    /// A classic query, answered.
    ClassicAnswered = "classic_answered",
    /// A classic response, seen.
    ClassicResponse = "classic_response",
    /// A classic text from outside the link's prefixes, malformed, or with `legacy = "off"`.
    ClassicIgnored = "classic_ignored",
);
