//! Numbers and names of the programs and their procedures.

/// NetInfo's program.
pub const NETINFO: u32 = 200_100_000;
/// Its one version.
pub const NETINFO_VERSION: u32 = 2;
/// The binder's program.
pub const BINDER: u32 = 200_100_001;
/// Its one version.
pub const BINDER_VERSION: u32 = 1;

macro_rules! procedures {
    ($(#[$about:meta])* $list:ident: $($name:ident = $number:literal, $text:literal;)*) => {
        $(#[doc = concat!("`", $text, "`.")] pub const $name: u32 = $number;)*

        $(#[$about])*
        pub const $list: &[&str] = &[$($text,)*];
    };
}

procedures! {
    /// The names of NetInfo's procedures as STATISTICS has them, by number.
    NAMES:
    PING = 0, "ping";
    STATISTICS = 1, "statistics";
    ROOT = 2, "root";
    SELF = 3, "self";
    PARENT = 4, "parent";
    CREATE = 5, "create";
    DESTROY = 6, "destroy";
    READ = 7, "read";
    WRITE = 8, "write";
    CHILDREN = 9, "children";
    LOOKUP = 10, "lookup";
    LIST = 11, "list";
    CREATEPROP = 12, "createprop";
    DESTROYPROP = 13, "destroyprop";
    READPROP = 14, "readprop";
    WRITEPROP = 15, "writeprop";
    RENAMEPROP = 16, "renameprop";
    LISTPROPS = 17, "listprops";
    CREATENAME = 18, "createname";
    DESTROYNAME = 19, "destroyname";
    READNAME = 20, "readname";
    WRITENAME = 21, "writename";
    RPARENT = 22, "rparent";
    LISTALL = 23, "listall";
    BIND = 24, "bind";
    READALL = 25, "readall";
    CRASHED = 26, "crashed";
    RESYNC = 27, "resync";
    LOOKUPREAD = 28, "lookupread";
}

/// The binder's procedures.
pub mod binder {
    procedures! {
        /// Their names, by number.
        NAMES:
        PING = 0, "ping";
        REGISTER = 1, "register";
        UNREGISTER = 2, "unregister";
        GETREGISTER = 3, "getregister";
        LISTREG = 4, "listreg";
        CREATEMASTER = 5, "createmaster";
        CREATECLONE = 6, "createclone";
        DESTROYDOMAIN = 7, "destroydomain";
        BIND = 8, "bind";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_stand_at_their_numbers() {
        assert_eq!(
            (NAMES.len(), NAMES[LOOKUPREAD as usize], NAMES[BIND as usize]),
            (29, "lookupread", "bind")
        );
        assert_eq!((binder::NAMES.len(), binder::NAMES[binder::BIND as usize]), (9, "bind"));
        assert_eq!((NETINFO, BINDER), (0x0BED_48A0, 0x0BED_48A1));
    }
}
